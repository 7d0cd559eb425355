/** @topology one: starts, ends and promotes servers of its own */
import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type pg from 'pg';
import { FaultPostgres } from '../../../faults/support/postgres.ts';
import { databaseClient, destroyClient } from '../../../src/platform/database/index.ts';
import { connectorTo } from '../../../src/platform/database/primary.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from '../../support/certificate.ts';
import { Client } from '../../support/client.ts';
import { newSecrets } from '../../support/gateway.ts';
import { freePort, GatehouseProcess } from '../../support/process.ts';
import { elapse, eventually } from '../../support/race.ts';
import { Subject, type Tokens, tokensOf } from '../../support/subject.ts';

jest.setTimeout(180_000);

/** Milliseconds until requests are answered again. */
const HEALS_WITHIN = 5_000;
/** Milliseconds: the deadline of an operation, and a margin for a busy machine. */
const REFUSED_WITHIN = 10_000;

let primary: FaultPostgres;
let standby: FaultPostgres;

beforeAll(async () => {
  primary = await FaultPostgres.make();
  standby = await primary.follower({ synchronous: true });
});
afterAll(async () => {
  await GatehouseProcess.killAll();
  await standby?.remove();
  await primary?.remove();
});

const urlOf = (
  login: 'gatehouse_app' | 'gatehouse_owner',
  [first, second]: readonly [FaultPostgres, FaultPostgres],
): string => first.url(login).replace(`:${first.port}/`, `:${first.port},127.0.0.1:${second.port}/`);

const endOf = (client: pg.Client) => new Promise<void>((resolve) => client.once('end', resolve));

const portOf = async (client: pg.Client): Promise<string | undefined> =>
  (await client.query<{ port: string }>(`select current_setting('port') as port`)).rows[0]?.port;

describe('a gateway whose connection string names a standby and then its primary', () => {
  let gateway: GatehouseProcess;
  let url: string;
  let alice: Subject;
  let tokens: Tokens;
  const ready = async () => (await fetch(`${url}/health/ready`)).status;

  it('migrates and serves on the primary', async () => {
    const PORT = await freePort();
    url = `http://127.0.0.1:${PORT}`;
    gateway = await GatehouseProcess.start({
      ...newSecrets(),
      PORT,
      NODE_ENV: 'test',
      PUBLIC_URL: 'http://localhost:4000',
      RATE_LIMIT: 'off',
      DATABASE_URL: `${urlOf('gatehouse_app', [standby, primary])}?target_session_attrs=read-write`,
      DATABASE_MIGRATION_URL: urlOf('gatehouse_owner', [standby, primary]),
    });
    expect(gateway.output + gateway.errors).toContain(
      `PostgreSQL at 127.0.0.1:${standby.port}, 127.0.0.1:${primary.port}`,
    );
    alice = await Subject.register(new Client(url));
    tokens = await alice.signedIn();
  });

  it('says SERVICE_UNAVAILABLE while the primary is killed, and writes again within 5 s of a promotion', async () => {
    await primary.kill();
    await eventually(
      () => alice.refresh(tokens.refreshToken),
      ({ code }) => code === 'SERVICE_UNAVAILABLE',
    );
    await standby.superuser('select pg_promote()');
    const promotedAt = performance.now();
    const reply = await eventually(
      () => alice.refresh(tokens.refreshToken),
      ({ errors }) => errors.length === 0,
      { withinMilliseconds: HEALS_WITHIN },
    );
    expect(performance.now() - promotedAt).toBeLessThan(HEALS_WITHIN);
    tokens = tokensOf(reply);
    expect((await alice.me(tokens.accessToken)).errors).toEqual([]);
    expect(await eventually(ready, (status) => status === 200)).toBe(200);
  });

  it('says SERVICE_UNAVAILABLE in time while both are away, and serves within 5 s of the return of one', async () => {
    await standby.kill();
    await elapse(3_000, 'longer than a search for the primary takes');
    const askedAt = performance.now();
    const { code, status } = await alice.login();
    expect([code, status]).toEqual(['SERVICE_UNAVAILABLE', 503]);
    expect(performance.now() - askedAt).toBeLessThan(REFUSED_WITHIN);
    expect(await ready()).toBe(503);
    await standby.start();
    await eventually(
      () => alice.login(),
      ({ errors }) => errors.length === 0,
      { withinMilliseconds: HEALS_WITHIN },
    );
    expect(await eventually(ready, (answer) => answer === 200)).toBe(200);
  });

  it('shuts down in order', async () => {
    expect(await gateway.stop()).toBe(0);
  });
});

describe('connections to several servers', () => {
  it('go to the promoted server, and leave the old primary when it comes back as a primary', async () => {
    await standby.stop();
    await primary.start();
    const { Client: PrimaryClient, connectionString } = connectorTo(
      urlOf('gatehouse_app', [primary, standby]),
    );
    const connect = async () => {
      const client = new PrimaryClient({ connectionString });
      client.on('error', () => {});
      await client.connect();
      return client;
    };
    const left = await connect();
    const ended = endOf(left);
    expect(await portOf(left)).toBe(primary.port);
    await standby.start();
    const failing = await connect();
    const failed = endOf(failing);
    destroyClient(failing);
    await failed;
    const next = await connect();
    expect(await portOf(next)).toBe(standby.port);
    await ended;
    await next.end();
    await primary.stop();
  });

  it('prevent a start, with the state of each server, when no primary answers', async () => {
    // No server listens at this port. A port that was free a moment ago may belong to another test by now.
    const closed = 1;
    const command = GatehouseProcess.run(['migrate', 'status'], {
      ...newSecrets(),
      NODE_ENV: 'test',
      DATABASE_URL: `postgresql://gatehouse_app:marked@127.0.0.1:${closed},127.0.0.1:${standby.port}/gatehouse`,
    });
    expect(await command.ended).toBe(1);
    expect(command.errors).toBe(
      `DATABASE_URL: no server is a primary that answers (127.0.0.1:${closed}: ` +
        `the database does not answer (ECONNREFUSED); 127.0.0.1:${standby.port}: the database refused the login (28P01))\n`,
    );
  });

  it('verify the certificate for the host to which they connect', async () => {
    const { uid, gid } = await stat(standby.folder);
    const file = async (name: string, text: string) => {
      const path = join(standby.folder, name);
      await writeFile(path, text, { mode: 0o600 });
      await chown(path, uid, gid);
      return path;
    };
    const certificate = await file('server.crt', CERTIFICATE);
    await file('server.key', CERTIFICATE_KEY);
    await standby.configure({ ssl: 'on' });
    await standby.superuser('select pg_reload_conf()');
    const throughTls = async (hosts: string) => {
      const url = `postgresql://gatehouse_app:faults@${hosts}/gatehouse?sslmode=verify-full&sslrootcert=${certificate}`;
      const client = databaseClient(url, {});
      client.on('error', () => {});
      await client.connect();
      const port = await portOf(client);
      await client.end();
      return port;
    };
    const { port } = standby;
    await eventually(
      () => throughTls(`localhost:${port}`).catch(String),
      (answer) => answer === port,
    );
    expect(await throughTls(`db.invalid:${port},localhost:${port}`)).toBe(port);
  });
});
