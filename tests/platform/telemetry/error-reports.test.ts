/** @topology one: reads the reports of one process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '../../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { newSecrets } from '../../support/gateway.ts';
import { freePort, GatehouseProcess } from '../../support/process.ts';
import { elapse, eventually, race } from '../../support/race.ts';
import { refuseSecretsIn } from '../../support/secret-watch.ts';
import { TestSentry } from '../../support/sentry.ts';
import { Subject } from '../../support/subject.ts';

let database: TestDatabase;
let sentry: TestSentry;
let gateway: GatehouseProcess;
let client: Client;
let alice: Subject;

beforeAll(async () => {
  [database, sentry] = await Promise.all([createTestDatabase(), TestSentry.start()]);
  const PORT = await freePort();
  gateway = await GatehouseProcess.start({
    ...newSecrets(),
    PORT,
    DATABASE_URL: database.servingUrl,
    DATABASE_MIGRATION_URL: database.ownerUrl,
    PASSWORD_BCRYPT_COST: '4',
    RATE_LIMIT: 'off',
    SENTRY_DSN: sentry.dsn,
    SENTRY_ENVIRONMENT: 'acceptance',
  });
  client = new Client(`http://127.0.0.1:${PORT}`);
  alice = await Subject.register(client);
  // A fault that no check of a request can foresee.
  await database.query('alter table known_device rename to known_device_away');
});
afterAll(async () => {
  await GatehouseProcess.killAll();
  await Promise.all([database?.drop(), sentry?.stop()]);
});

const failingLogin = () => alice.login({ headers: { 'x-request-id': 'request-that-fails' } });

describe('an unexpected error', () => {
  beforeAll(async () => {
    const { code } = await failingLogin();
    expect(code).toBe('INTERNAL_SERVER_ERROR');
    await eventually(
      async () => sentry.events.length,
      (count) => count === 1,
    );
  });

  it('is reported with release, environment, request id and operation', () => {
    expect(sentry.events).toEqual([
      expect.objectContaining({
        environment: 'acceptance',
        release: expect.stringMatching(/^gatehouse@\d/),
        tags: { request_id: 'request-that-fails', operation: 'login' },
      }),
    ]);
  });

  it('is reported with the place in the code, without a folder of the host', () => {
    const frames = sentry.events[0]?.exception.values[0]?.stacktrace.frames ?? [];
    expect(frames).toContainEqual(
      expect.objectContaining({ filename: expect.stringMatching(/^dist\/src\//) }),
    );
    expect(frames.filter(({ filename }) => filename.startsWith('/'))).toEqual([]);
  });

  it('is reported without a secret, an address or anything that the client sent', () => {
    refuseSecretsIn(sentry.envelopes);
    const sent = sentry.envelopes.join();
    const facts = [alice.email, alice.username, alice.password, alice.id, 'known_device', 'mutation'];
    for (const fact of facts) expect(sent).not.toContain(fact);
  });

  it('is reported ten times a minute at most', async () => {
    await race(20, failingLogin);
    expect(sentry.events).toHaveLength(10);
  });
});

describe('an expected refusal', () => {
  it('is not reported', async () => {
    const before = sentry.events.length;
    expect((await client.raw('{ sessions { id } }')).code).toBe('UNAUTHENTICATED');
    await elapse(300, 'nothing may arrive');
    expect(sentry.events).toHaveLength(before);
  });
});

describe('a receiver that hangs', () => {
  it('does not slow a request, and does not keep the gateway from stopping', async () => {
    sentry.behaviour = 'hang';
    await database.query('alter table audit_event rename to audit_event_away');
    const begun = performance.now();
    await race(50, failingLogin);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(await gateway.stop()).toBe(0);
  });
});
