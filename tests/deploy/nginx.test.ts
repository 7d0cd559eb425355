import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CERTIFICATE } from '../support/certificate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { newSecrets } from '../support/gateway.ts';
import { hasNginx, TestNginx } from '../support/nginx.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';

const PASSWORD = 'velvet anchor of the superuser';

(hasNginx ? describe : describe.skip)('two gateways behind deploy/nginx/nginx.conf', () => {
  let database: TestDatabase;
  let nginx: TestNginx;
  let gateways: GatehouseProcess[];

  beforeAll(async () => {
    database = await createTestDatabase();
    const port = await freePort();
    const ports = [await freePort(), await freePort()] as const;
    const settings = {
      NODE_ENV: 'test',
      PUBLIC_URL: `https://localhost:${port}`,
      TRUSTED_PROXIES: '127.0.0.1',
      DATABASE_URL: database.servingUrl,
      DATABASE_MIGRATION_URL: database.ownerUrl,
      PASSWORD_BCRYPT_COST: '4',
      RATE_LIMIT_RULES: 'login.ip=9999/60,register.ip=9999/60,refresh.ip=99999/60,refresh.session=9999/60',
      ...newSecrets(),
    };
    gateways = await Promise.all(ports.map((PORT) => GatehouseProcess.start({ ...settings, PORT })));
    nginx = await TestNginx.start(port, ports);
    const superuser = [
      'create-superuser',
      'root@walk.example.org',
      '--username',
      'walk-root',
      '--password-stdin',
    ];
    const made = GatehouseProcess.run(superuser, settings, { input: `${PASSWORD}\n` });
    expect({ code: await made.ended, errors: made.errors }).toMatchObject({ code: 0 });
  });
  afterAll(async () => {
    await nginx?.close();
    await GatehouseProcess.killAll();
    await database?.drop();
  });

  it('sign people in by TLS, see their IP, and lose no request when one of them is killed', async () => {
    const walk = spawn(process.execPath, ['deploy/walk.ts'], {
      env: {
        PATH: process.env.PATH,
        NODE_EXTRA_CA_CERTS: nginx.certificateFile,
        NODE_NO_WARNINGS: '1',
        URL: nginx.url,
        PLAIN_URL: nginx.plainUrl,
        SUPERUSER: 'walk-root',
        SUPERUSER_PASSWORD: PASSWORD,
        ELSEWHERE: `${process.execPath} deploy/walk.ts wrong-login ${nginx.url} $WALKER 127.0.0.2`,
        ELSEWHERE_IP: '127.0.0.2',
        KILL: `kill -9 ${gateways[0]?.pid}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [walk.stdout, walk.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    await once(walk, 'exit');
    expect(output).toMatch(/^11 passed, 0 failed$/m);
  });

  /** @returns status and content type of the answer, which is JSON when the gateway gave it. */
  const answerTo = async (path: string, bytes: number) => {
    const outgoing = request(`${nginx.url}${path}`, {
      method: 'POST',
      ca: CERTIFICATE,
      headers: { 'content-type': 'application/json' },
    });
    outgoing.end('x'.repeat(bytes));
    const [reply] = (await once(outgoing, 'response')) as [IncomingMessage];
    reply.resume();
    return `${reply.statusCode} ${reply.headers['content-type']}`;
  };

  it('let the pictures of the Blockpass app through, and no other large body', async () => {
    expect(await answerTo('/graphql', 110_000)).toContain('json');
    expect(await answerTo('/graphql', 200_000)).toBe('413 text/html');
    expect(await answerTo('/blockpass/api/uploadData', 10_000_000)).toContain('json');
  });

  it('keep query strings out of the log of nginx', async () => {
    expect(await nginx.accessLog()).not.toContain('?');
  });
});
