/** @topology one: is about the IP that one gateway sees */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { type RequestOptions, request as requestByTls } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CERTIFICATE } from '../support/certificate.ts';
import { TestGateway } from '../support/gateway.ts';
import { hasNginx, TestNginx } from '../support/nginx.ts';
import { freePort } from '../support/process.ts';
import { eventually } from '../support/race.ts';

const hasHaproxy = spawnSync('haproxy', ['-v']).status === 0;

/** The address that each of them connects from. Loopback has many addresses. */
const CLIENT = '127.0.0.2';
const HAPROXY = '127.0.0.3';
const NGINX = '127.0.0.4';
const FORGED = '203.0.113.7';

/** HAProxy before nginx, as docs/operations/deployment.md describes. */
async function startHaproxy(folder: string, port: string, nginx: TestNginx): Promise<ChildProcess> {
  const file = join(folder, 'haproxy.cfg');
  await writeFile(
    file,
    `
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
frontend clients
  bind 127.0.0.1:${port}
  option forwardfor
  default_backend nginx
backend nginx
  server nginx 127.0.0.1:${nginx.port} ssl verify none source ${HAPROXY}
`,
  );
  const child = spawn('haproxy', ['-q', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] });
  const answers = () =>
    fetch(`http://127.0.0.1:${port}/health/live`).then(
      ({ ok }) => ok,
      () => false,
    );
  await eventually(answers, Boolean, { withinMilliseconds: 10_000 });
  return child;
}

(hasNginx && hasHaproxy ? describe : describe.skip)('behind HAProxy and nginx', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gatehouse-haproxy-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  /** A wrong password from CLIENT, with a forged header. */
  async function guess(username: string, entry: string, hasTls: boolean): Promise<void> {
    const send = hasTls ? requestByTls : request;
    const outgoing = send({
      host: '127.0.0.1',
      port: entry,
      path: '/graphql',
      method: 'POST',
      localAddress: CLIENT,
      servername: 'localhost',
      ca: CERTIFICATE,
      headers: { 'content-type': 'application/json', 'x-forwarded-for': FORGED },
    } as RequestOptions);
    const query = 'mutation ($input: LoginInput!) { login(input: $input) { __typename } }';
    outgoing.end(
      JSON.stringify({ query, variables: { input: { identifier: username, password: 'wrong' } } }),
    );
    const [reply] = (await once(outgoing, 'response')) as [IncomingMessage];
    reply.resume();
  }

  /** @returns the IP in the audit event of a failed login. */
  async function auditedIp(trusted: string, through: 'nginx' | 'HAProxy and nginx'): Promise<string[]> {
    const gateway = await TestGateway.start({ TRUSTED_PROXIES: trusted });
    const { port } = new URL(gateway.url);
    const from = ['proxy_redirect off;', `proxy_redirect off; proxy_bind ${NGINX};`] as const;
    const nginx = await TestNginx.start(await freePort(), [port, port], [from]);
    const entry = through === 'nginx' ? nginx.port : await freePort();
    const haproxy = through === 'nginx' ? undefined : await startHaproxy(folder, entry, nginx);
    try {
      const { username } = await gateway.aSubject();
      await guess(username, entry, through === 'nginx');
      const events = await gateway.database.query<{ ip: string }>(
        `select ip_address as ip from audit_event where action = 'login.failed'`,
      );
      return events.map(({ ip }) => ip);
    } finally {
      if (haproxy) {
        haproxy.kill('SIGTERM');
        await once(haproxy, 'exit');
      }
      await nginx.close();
      await gateway.close();
    }
  }

  // The rows of docs/operations/deployment.md, "One proxy and two".
  it.each([
    ['nginx', '', NGINX],
    ['nginx', NGINX, CLIENT],
    ['HAProxy and nginx', NGINX, HAPROXY],
    ['HAProxy and nginx', `${NGINX},${HAPROXY}`, CLIENT],
    // Too wide: the gateway believes what the client claims.
    ['HAProxy and nginx', '127.0.0.0/8', FORGED],
  ] as const)('%s with TRUSTED_PROXIES=%s audits %s', async (through, trusted, ip) => {
    expect(await auditedIp(trusted, through)).toEqual([ip]);
  });
});
