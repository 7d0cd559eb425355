import type { EntityManager } from '@mikro-orm/postgresql';
import { SCHEMA } from '../../src/modules.ts';
import { createOrm } from '../../src/platform/database/index.ts';
import { PostgresEventFeed } from '../../src/platform/events/index.ts';
import { newId } from '../../src/platform/id.ts';
import { RedisConnection } from '../../src/platform/redis/index.ts';
import {
  type AnnouncedTransaction,
  PostgresSessionStore,
  RedisSessionStore,
  RevocationCache,
  Revocations,
  type SessionRecord,
  type SessionStore,
  type SessionStoreOptions,
} from '../../src/sessions/index.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { hasRedis, TestRedis } from './redis.ts';
import { probePostgres, probeRedis, type SessionProbe } from './session-probe.ts';

/** An adapter, and a probe of its data. */
export interface Adapter {
  readonly store: SessionStore;
  readonly probe: SessionProbe;
  close(): Promise<void>;
}

export interface AdapterUnderTest {
  readonly name: string;
  open(revocations: Revocations, options: SessionStoreOptions, database: TestDatabase): Promise<Adapter>;
}

/** An adapter on a database, which stores revocations and accounts for every adapter. */
export async function prepareOn(adapter: AdapterUnderTest, limits: SessionStoreOptions) {
  const database = await createTestDatabase();
  const orm = createOrm({ url: database.servingUrl, schema: SCHEMA, poolSize: 20 });
  const fork = (): EntityManager => orm.em.fork();
  const feed = new PostgresEventFeed(database.servingUrl, () => {});
  const revocationCache = new RevocationCache(
    fork,
    feed,
    { maxStalenessSeconds: 2, onReplaced: async () => {} },
    () => {},
  );
  const revocations = new Revocations(feed, revocationCache, { accessTokenTtlSeconds: 60 });
  const { store, probe, close } = await adapter.open(revocations, limits, database);
  /** Runs the work in a transaction that may end sessions. */
  const change = <T>(work: (tx: AnnouncedTransaction) => Promise<T>) =>
    revocations.transactional(fork(), work);
  return {
    store,
    revocations,
    probe,
    fork,
    change,
    /** Creates an account, since sessions belong to one. */
    async aUser() {
      const id = newId();
      await database.query('insert into users (id, username, username_key) values ($1, $2, $2)', [id, id]);
      return id;
    },
    deactivate: (userId: string) =>
      database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [userId]),
    /** Moves the session's times into the past, by the store's own clock. */
    age: (session: SessionRecord, seconds: number) => probe.age(session.userId, session.id, seconds),
    /** Writes a revocation without the store, as if its session were an old copy. */
    async endElsewhere({ id, userId, expiresAt }: SessionRecord) {
      await change((tx) => revocations.endSessions(tx, [{ id, userId, expiresAt }]));
    },
    revocationsOf: (userId: string) =>
      database.query<{ session_id: string; days: number }>(
        `select session_id, extract(epoch from kept_until - now())::float8 / 86400 as days
         from ending where user_id = $1`,
        [userId],
      ),
    async close() {
      await close();
      await revocationCache.stop();
      await orm.close();
      await database.drop();
    },
  };
}
export type StoreUnderTest = Awaited<ReturnType<typeof prepareOn>>;

export const POSTGRES: AdapterUnderTest = {
  name: 'PostgreSQL',
  open: async (revocations, options, database) => ({
    store: new PostgresSessionStore(revocations, options),
    probe: probePostgres(database),
    close: async () => {},
  }),
};

/** Needs `redis-server`. */
export const REDIS: AdapterUnderTest = {
  name: 'Redis',
  async open(revocations, options) {
    const redis = await TestRedis.start();
    const connection = new RedisConnection({ url: redis.url, purpose: 'commands', log: () => {} });
    await connection.start();
    return {
      store: new RedisSessionStore(connection, revocations, options),
      probe: probeRedis(redis.url),
      async close() {
        connection.close();
        await redis.close();
      },
    };
  },
};

/** The adapters that this machine can run. */
export const ADAPTERS: readonly AdapterUnderTest[] = hasRedis ? [POSTGRES, REDIS] : [POSTGRES];
