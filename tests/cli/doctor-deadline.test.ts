/** @timing: holds the doctor to 15 s when every part hangs */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Finding } from '../../src/composition/index.ts';
import { newSecrets } from '../support/gateway.ts';
import { GatehouseProcess } from '../support/process.ts';

/** Accepts connections, and never answers. */
const sockets = new Set<Socket>();
const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => {});
});
let port: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = String((server.address() as AddressInfo).port);
});
afterAll(async () => {
  await GatehouseProcess.killAll();
  for (const socket of sockets) socket.destroy();
  server.close();
});

it('ends within 15 s when every part hangs, and names each one', async () => {
  const startedAt = performance.now();
  const run = GatehouseProcess.run(['doctor', '--json'], {
    NODE_ENV: 'production',
    ...newSecrets(),
    PUBLIC_URL: 'https://auth.example.com',
    TRUSTED_PROXIES: '127.0.0.1',
    DATABASE_URL: `postgresql://gatehouse_app:hidden-word@127.0.0.1:${port}/gatehouse`,
    REDIS_URL: `redis://127.0.0.1:${port}`,
    SMTP_URL: `smtp://127.0.0.1:${port}`,
    MAIL_FROM: 'no-reply@example.com',
    AUDIT_STREAM: `syslog://127.0.0.1:${port}`,
    PORT: port,
    METRICS_PORT: port,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    SENTRY_DSN: `http://the-sentry-key@127.0.0.1:${port}/1`,
  });
  expect(await run.ended).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  const found = JSON.parse(run.output) as Finding[];
  expect(found.filter(({ status }) => status !== 'ok').map(({ check }) => check)).toEqual([
    'database.connection',
    'redis.connection',
    'mail.server',
    'audit.stream',
    'telemetry.metrics',
    'telemetry.traces',
    'telemetry.errors',
    'http.port',
  ]);
});
