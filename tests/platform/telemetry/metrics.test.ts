/** @topology one: reads the metrics of one process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { newSecrets } from '../../support/gateway.ts';
import { freePort, GatehouseProcess } from '../../support/process.ts';
import { eventually } from '../../support/race.ts';
import { Subject } from '../../support/subject.ts';

let database: TestDatabase;
let gateway: GatehouseProcess;
let client: Client;
let metricsUrl: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const [PORT, METRICS_PORT] = [await freePort(), await freePort()];
  gateway = await GatehouseProcess.start({
    ...newSecrets(),
    PORT,
    METRICS_PORT,
    DATABASE_URL: database.servingUrl,
    DATABASE_MIGRATION_URL: database.ownerUrl,
    PASSWORD_BCRYPT_COST: '4',
  });
  client = new Client(`http://127.0.0.1:${PORT}`);
  metricsUrl = `http://127.0.0.1:${METRICS_PORT}/metrics`;
});
afterAll(async () => {
  await GatehouseProcess.killAll();
  await database?.drop();
});

const text = async () => (await fetch(metricsUrl)).text();

/** The value of a series; undefined where it is not there. */
const seriesValue = async (series: string): Promise<number | undefined> => {
  const line = (await text()).split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

describe('/metrics', () => {
  let alice: Subject;

  beforeAll(async () => {
    alice = await Subject.register(client);
  });

  it('counts a registration, a login, a failed login, and a rotated and a reused refresh token', async () => {
    const { accessToken, refreshToken } = await alice.signedIn();
    await alice.refresh(refreshToken);
    await client.raw('mutation { refresh(token: "nonsense") { accessToken } }');
    expect(
      (await new Subject(client, alice.id, alice.username, alice.email, 'a wrong passphrase').login()).code,
    ).toBe('INVALID_CREDENTIALS');
    await client.raw('mutation { logout }', {}, { bearer: accessToken });
    expect(await seriesValue('gatehouse_registrations_total{outcome="registered"}')).toBe(1);
    expect(await seriesValue('gatehouse_logins_total{method="pwd",outcome="success"}')).toBe(1);
    expect(await seriesValue('gatehouse_logins_total{method="pwd",outcome="failure"}')).toBe(1);
    expect(await seriesValue('gatehouse_refreshes_total{outcome="rotated"}')).toBe(1);
    expect(await seriesValue('gatehouse_sessions_revoked_total{reason="ended"}')).toBe(1);
    expect(await seriesValue('gatehouse_refused_total{code="INVALID_CREDENTIALS"}')).toBe(1);
    expect(
      await seriesValue('gatehouse_operation_duration_seconds_count{operation="login",outcome="ok"}'),
    ).toBe(1);
  });

  it('has every series that the documentation names', async () => {
    const found = await text();
    for (const name of [
      'gatehouse_logins_total',
      'gatehouse_registrations_total',
      'gatehouse_refreshes_total',
      'gatehouse_sessions_revoked_total',
      'gatehouse_rate_limited_total',
      'gatehouse_refused_total',
      'gatehouse_operation_duration_seconds',
      'gatehouse_http_requests_total',
      'gatehouse_password_hash_queue_length',
      'gatehouse_password_hash_seconds',
      'gatehouse_revocation_age_seconds',
      'gatehouse_database_connections',
      'gatehouse_database_statement_seconds',
      'gatehouse_redis_up',
      'gatehouse_mail_jobs',
      'gatehouse_signing_key_age_seconds',
      'gatehouse_websockets',
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
      'nodejs_gc_duration_seconds',
    ])
      expect(found).toContain(`# TYPE ${name} `);
  });

  it('reads gauges at the moment of the request', async () => {
    expect(await seriesValue('gatehouse_database_connections{state="waiting"}')).toBe(0);
    expect(await seriesValue('gatehouse_revocation_age_seconds')).toBeLessThan(5);
    expect(await seriesValue('gatehouse_signing_key_age_seconds')).toBeLessThan(600);
  });

  it('counts the rule of a rate limit that was used up', async () => {
    for (let index = 0; index < 12; index++) {
      await new Subject(client, alice.id, alice.username, alice.email, 'a wrong passphrase').login();
    }
    const limited = (await text()).match(/^gatehouse_rate_limited_total\{rule="login\.\w+"\} \d+$/m);
    expect(limited).not.toBeNull();
  });

  it('does not count what was rolled back', async () => {
    const before = await seriesValue('gatehouse_logins_total{method="pwd",outcome="success"}');
    const bob = await Subject.register(client);
    // The last statement of a sign-in fails, after its audit event was written.
    await database.query('alter table known_device rename to known_device_away');
    expect((await bob.login()).code).toBe('INTERNAL_SERVER_ERROR');
    await database.query('alter table known_device_away rename to known_device');
    expect(await seriesValue('gatehouse_logins_total{method="pwd",outcome="success"}')).toBe(before);
  });

  it('has labels with few values, and nothing personal', async () => {
    await client.raw('{ thereIsNoSuchField }');
    await fetch(`${client.url}/no-such-path-${alice.username}`);
    const found = await text();
    for (const fact of [alice.email, alice.username, alice.id, '127.0.0.1', 'thereIsNoSuchField'])
      expect(found).not.toContain(fact);
    expect(found).toContain('gatehouse_http_requests_total{route="unmatched",status="404"} 1');
  });

  it('is not served on the port of the gateway', async () => {
    expect((await fetch(`${client.url}/metrics`)).status).toBe(404);
    expect((await fetch(metricsUrl.replace('/metrics', '/'))).status).toBe(404);
  });

  it('does not keep the gateway from stopping', async () => {
    await eventually(text, (found) => found.length > 0);
    expect(await gateway.stop()).toBe(0);
  });
});
