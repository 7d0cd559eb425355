import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { Client } from './support/client.ts';
import { createTestDatabase, type TestDatabase } from './support/database.ts';
import { newSecrets } from './support/gateway.ts';
import { LogoutDocument } from './support/generated/operations.ts';
import { freePort, GatehouseProcess } from './support/process.ts';
import { eventually, race } from './support/race.ts';
import { hasRedis, TestRedis } from './support/redis.ts';
import { Subject, tokensOf } from './support/subject.ts';

/**
 * The main path of the gateway on two processes of the operating system, which share only PostgreSQL and
 * Redis. Two gateways in one process would also share the state of modules, which cannot help here.
 */
(hasRedis ? describe : describe.skip)('two processes', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let settings: Record<string, string>;
  let first: Client;
  let second: Client;
  /** Requests alternate between the processes. */
  let both: Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await TestRedis.start();
    settings = {
      NODE_ENV: 'test',
      PUBLIC_URL: 'http://localhost:4000',
      DATABASE_URL: database.servingUrl,
      DATABASE_MIGRATION_URL: database.ownerUrl,
      REDIS_URL: redis.url,
      PASSWORD_BCRYPT_COST: '4',
      RATE_LIMIT_RULES: 'login.account=6/3600,login.accountAtIp=9999/60,login.ip=9999/60,register.ip=9999/60',
      ...newSecrets(),
    };
    const urls: { url: string }[] = [];
    for (let count = 0; count < 2; count += 1) {
      const PORT = await freePort();
      await GatehouseProcess.start({ ...settings, PORT });
      urls.push({ url: `http://127.0.0.1:${PORT}` });
    }
    const [one, two] = urls as [{ url: string }, { url: string }];
    first = new Client(one.url);
    second = new Client(two.url);
    both = new Client([one, two]);
  });
  afterAll(async () => {
    await GatehouseProcess.killAll();
    await redis.close();
    await database.drop();
  });

  const refusedSoon = (subject: Subject, accessToken: string, at: Client) =>
    eventually(
      () => subject.me(accessToken, at),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
  const command = async (...args: string[]) => {
    const ran = GatehouseProcess.run(args, settings, { input: `${randomBytes(12).toString('hex')}\n` });
    expect({ code: await ran.ended, errors: ran.errors }).toMatchObject({ code: 0 });
    return ran.output;
  };

  it('serve one account and one session together', async () => {
    const alice = await Subject.register(both);
    let { accessToken, refreshToken } = await alice.signedIn();
    for (let round = 0; round < 10; round += 1) {
      ({ accessToken, refreshToken } = tokensOf(await alice.refresh(refreshToken)));
      for (const at of [first, second]) expect((await alice.me(accessToken, at)).errors).toEqual([]);
    }
  });

  it('give a username to one of twenty registrations with names that look alike', async () => {
    const names = ['paul.mil1er', 'paul.miller', 'Paul.MiIler', 'paul.rniller'];
    const outcomes = await race(20, (index) =>
      Subject.register(both, { username: names[index % 4] as string }).then(
        () => 'registered',
        (error: Error) => /"code":"(\w+)"/.exec(error.message)?.[1],
      ),
    );
    expect(outcomes.toSorted()).toEqual([...Array(19).fill('CONFLICT'), 'registered']);
  });

  it('give 20 concurrent refreshes the same successor', async () => {
    const alice = await Subject.register(both);
    const { refreshToken } = await alice.signedIn();
    const replies = await race(20, () => alice.refresh(refreshToken));
    expect(new Set(replies.map((reply) => tokensOf(reply).refreshToken)).size).toBe(1);
  });

  it('refuse sessions within a second that the other process ended', async () => {
    for (const [here, there] of [
      [first, second],
      [second, first],
    ] as const) {
      const alice = await Subject.register(here);
      const { accessToken, refreshToken } = await alice.signedIn();
      expect((await alice.me(accessToken, there)).errors).toEqual([]);
      await here.execute(LogoutDocument, {}, { bearer: accessToken });
      expect((await alice.me(accessToken, here)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken, there)).code).toBe('INVALID_REFRESH_TOKEN');
      await refusedSoon(alice, accessToken, there);
    }
  });

  it('count one limit', async () => {
    const alice = await Subject.register(both);
    const codes: unknown[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1)
      codes.push((await alice.login({ password: 'a wrong password' })).code);
    expect(codes).toEqual([...Array(6).fill('INVALID_CREDENTIALS'), 'RATE_LIMITED', 'RATE_LIMITED']);
  });

  it('follow a command: a new key signs in both, and both refuse the voided tokens', async () => {
    const alice = await Subject.register(both);
    const kids = async () =>
      Promise.all(
        [first, second].map(
          async (at) => decodeProtectedHeader((await alice.signedIn({ client: at })).accessToken).kid,
        ),
      );
    const [old] = await kids();
    const { accessToken } = await alice.signedIn();
    await command('keys', 'rotate', '--emergency');
    for (const at of [first, second]) await refusedSoon(alice, accessToken, at);
    const [one, two] = await kids();
    expect(one).toBe(two);
    expect(one).not.toBe(old);
  });
});
