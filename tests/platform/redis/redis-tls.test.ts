import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { newSecrets } from '../../support/gateway.ts';
import { freePort, GatehouseProcess } from '../../support/process.ts';
import { eventually } from '../../support/race.ts';
import { hasRedis, TestRedis } from '../../support/redis.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

/** These tests have their own processes, because Node reads the trusted authorities when it starts. */
(hasRedis && hasOpenssl ? describe : describe.skip)('Redis over TLS', () => {
  const secrets = newSecrets();
  let database: TestDatabase;
  let folder: string;
  let certificate: string;
  let redis: TestRedis;
  let port: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gatehouse-tls-'));
    certificate = join(folder, 'certificate.pem');
    const key = join(folder, 'key.pem');
    const made = spawnSync('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=redis of a test', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', key, '-out', certificate],
    ]);
    expect(made.status).toBe(0);
    port = await freePort();
    redis = await TestRedis.start([
      ...['--tls-port', port, '--tls-cert-file', certificate, '--tls-key-file', key],
      ...['--tls-auth-clients', 'no'],
    ]);
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await GatehouseProcess.killAll();
    await redis.close();
    await database.drop();
    await rm(folder, { recursive: true });
  });

  const parts = async (settings: Record<string, string>) => {
    const at = await freePort();
    const started = GatehouseProcess.run(['start'], {
      NODE_ENV: 'test',
      PORT: at,
      DATABASE_URL: database.servingUrl,
      DATABASE_MIGRATION_URL: database.ownerUrl,
      REDIS_URL: `rediss://127.0.0.1:${port}`,
      ...secrets,
      ...settings,
    });
    const body = await eventually(
      async () => (await fetch(`http://127.0.0.1:${at}/health/ready`).catch(() => undefined))?.json(),
      Boolean,
      { withinMilliseconds: 20_000 },
    );
    await started.stop();
    return { parts: (body as { parts: unknown }).parts, log: started.output + started.errors };
  };

  it('is used when its certificate is trusted', async () => {
    expect((await parts({ NODE_EXTRA_CA_CERTS: certificate })).parts).toEqual({
      database: 'up',
      redis: 'up',
    });
  });

  it('is not used when its certificate is not trusted', async () => {
    const { parts: found, log } = await parts({});
    expect(found).toEqual({ database: 'up', redis: 'away' });
    expect(log).toContain('self-signed certificate');
  });
});
