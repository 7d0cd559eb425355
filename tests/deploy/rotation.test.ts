import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '../support/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { newSecrets } from '../support/gateway.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { hasRedis, redisCommand, TestRedis } from '../support/redis.ts';
import { Subject, type Tokens, tokensOf } from '../support/subject.ts';

/** CONTRIBUTING.md tells of the long form: it restarts gateways a dozen times. */
const { TEST_ALL, TEST_LONG } = process.env;
const LONG = TEST_ALL === '1' || TEST_LONG === '1';

const newPassword = () => randomBytes(12).toString('hex');

/**
 * The steps of docs/operations/upkeep.md, "Rotate keys and passwords": two gateways, of which one restarts after the other.
 * After each restart a session that began before goes on, at both gateways.
 */
(hasRedis && LONG ? describe : describe.skip)('a rotation by docs/operations/upkeep.md', () => {
  let database: TestDatabase;
  let redis: TestRedis;
  let settings: Record<string, string>;
  const gateways: { PORT: string; process: GatehouseProcess }[] = [];
  let alice: Subject;
  let tokens: Tokens;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await TestRedis.start();
    settings = {
      NODE_ENV: 'test',
      DATABASE_URL: database.servingUrl,
      DATABASE_MIGRATION_URL: database.ownerUrl,
      REDIS_URL: redis.url,
      PUBLIC_URL: 'http://localhost:4000',
      PASSWORD_BCRYPT_COST: '4',
      RATE_LIMIT: 'off',
      MAX_SESSIONS_PER_USER: '1000',
      ...newSecrets(),
    };
    for (let count = 0; count < 2; count += 1) {
      const PORT = await freePort();
      gateways.push({ PORT, process: await GatehouseProcess.start({ ...settings, PORT }) });
    }
    alice = await Subject.register(clientOf(0));
    tokens = await alice.signedIn();
  });
  afterAll(async () => {
    await GatehouseProcess.killAll();
    await redis?.close();
    await database?.drop();
  });

  const clientOf = (index: number) => new Client(`http://127.0.0.1:${gateways[index]?.PORT}`);

  /** Both gateways accept the earlier session and refresh it. */
  async function worksEverywhere(): Promise<void> {
    for (const index of [0, 1]) {
      const client = clientOf(index);
      expect((await alice.me(tokens.accessToken, client)).errors).toEqual([]);
      tokens = { ...tokens, ...tokensOf(await alice.refresh(tokens.refreshToken, client)) };
      expect((await alice.login({ client })).errors).toEqual([]);
    }
  }

  /** Restarts one gateway after the other with these settings. */
  async function roll(change: Record<string, string>): Promise<void> {
    Object.assign(settings, change);
    for (const gateway of gateways) {
      expect(await gateway.process.stop()).toBe(0);
      gateway.process = await GatehouseProcess.start({ ...settings, PORT: gateway.PORT });
      await worksEverywhere();
    }
  }

  it('of the three keys keeps every session in each of its three steps', async () => {
    const names = Object.keys(newSecrets());
    const lists = (first: Record<string, string>, second: Record<string, string>) =>
      Object.fromEntries(names.map((name) => [name, `${first[name]},${second[name]}`]));
    const before = { ...settings };
    const after = { ...before, ...(newSecrets() as Record<string, string>) };
    await roll(lists(before, after));
    await roll(lists(after, before));
    await roll(after);
  });

  it('of the Redis password fails no request, while Redis accepts both passwords', async () => {
    const [before, after] = [newPassword(), newPassword()];
    const command = (...args: string[]) => redisCommand(settings.REDIS_URL ?? redis.url, ...args);
    const urlWith = (password: string) => redis.url.replace('redis://', `redis://default:${password}@`);
    await command('ACL', 'SETUSER', 'default', 'resetpass', `>${before}`);
    await roll({ REDIS_URL: urlWith(before) });
    await command('ACL', 'SETUSER', 'default', `>${after}`);
    await roll({ REDIS_URL: urlWith(after) });
    await command('ACL', 'SETUSER', 'default', `<${before}`);
    await worksEverywhere();
  });

  it('of the serving login of PostgreSQL to a second login fails no request', async () => {
    const login = `app_${randomBytes(4).toString('hex')}`;
    const password = newPassword();
    const former = new URL(settings.DATABASE_URL ?? '').username;
    const name = new URL(database.ownerUrl).pathname.slice(1);
    await database.querySuperuser(`create role ${login} login password '${password}'`);
    await database.querySuperuser(`grant connect on database ${name} to ${login}`);
    const DATABASE_URL = Object.assign(new URL(database.servingUrl), { username: login, password }).href;
    const migrated = GatehouseProcess.run(['migrate', 'up'], { ...settings, DATABASE_URL });
    expect({ code: await migrated.ended, errors: migrated.errors }).toMatchObject({ code: 0 });
    // Both logins serve while the gateways restart.
    await worksEverywhere();
    await roll({ DATABASE_URL });
    const used = await database.querySuperuser<{ usename: string }>(
      `select distinct usename from pg_stat_activity where datname = '${name}' and usename in ('${former}', '${login}')`,
    );
    expect(used.map(({ usename }) => usename)).toEqual([login]);
    await database.querySuperuserHere(`drop owned by ${former}`);
    await worksEverywhere();
    await database.querySuperuserHere(`drop owned by ${login}`);
  });
});
