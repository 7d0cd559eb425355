import type pg from 'pg';
import { fail, ok, warn } from '../../doctor/check.ts';
import { CHANNEL } from '../../events/event-feed.ts';
import { newId } from '../../id.ts';
import type { Pooling } from '../pooler.ts';
import { poolingOf } from '../pooler.ts';
import { loginOf } from '../rights.ts';
import { ADVICE, CONNECTION, connected, type DatabaseCheck, rowOf } from './on-connection.ts';

/** Class of the advisory locks of the doctor, in the key space of two numbers, which the gateway does not use. */
const LOCK_CLASS = 0x6761_0000;

export const advisoryLock: DatabaseCheck = {
  name: 'database.advisory-lock',
  after: CONNECTION,
  run: ({ servingUrl }) =>
    connected(servingUrl, (holder) =>
      connected(servingUrl, async (other) => {
        const key = [LOCK_CLASS, Math.floor(Math.random() * 0x7fff_ffff)];
        const take = async (client: pg.Client) => {
          await client.query('begin');
          return rowOf<{ taken: boolean }>(client, 'select pg_try_advisory_xact_lock($1, $2) as taken', key);
        };
        const [first, second] = [await take(holder), await take(other)];
        await Promise.all([holder.query('rollback'), other.query('rollback')]);
        const third = await take(other);
        await other.query('rollback');
        return first.taken && !second.taken && third.taken
          ? ok('An advisory lock excludes a second connection.')
          : fail(
              'An advisory lock does not exclude a second connection, so two processes could migrate or rotate keys at once.',
              ADVICE,
            );
      }),
    ),
};

export const pooler: DatabaseCheck = {
  name: 'database.pooler',
  after: CONNECTION,
  async run({ servingUrl = '' }) {
    const pooling: Pooling = await poolingOf(servingUrl);
    if (pooling === 'none') return ok('No connection pooler stands before the database.');
    if (pooling === 'session') return ok('A connection pooler in session mode stands before the database.');
    const { statement_timeout: timeout } = await connected(servingUrl, (client) =>
      rowOf<{ statement_timeout: string }>(client, 'show statement_timeout'),
    );
    const login = loginOf(servingUrl);
    return timeout === '0'
      ? warn(
          'A connection pooler in transaction mode stands before the database, and the serving login has no statement timeout of its own.',
          `Run: ${['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'].map((name) => `alter role "${login}" set ${name} = '${name === 'lock_timeout' ? 3 : 5}s';`).join(' ')}`,
        )
      : ok(
          'A connection pooler in transaction mode stands before the database; the login has its own timeouts.',
        );
  },
};

/** Milliseconds for a NOTIFY to arrive. */
const NOTIFY_PATIENCE = 2_000;

export const notify: DatabaseCheck = {
  name: 'database.notify',
  after: CONNECTION,
  async run({ config, servingUrl = '' }) {
    // With Redis, processes wake each other through Redis.
    if (config.redis.url !== undefined) return null;
    const lost = warn(
      'A NOTIFY does not arrive, so each process polls for revocations every half second.',
      'Set REDIS_URL, or connect without a pooler in transaction mode.',
    );
    // A LISTEN here would stay with the server after the pooler has lent it to another client.
    if ((await poolingOf(servingUrl)) === 'transaction') return lost;
    return connected(servingUrl, (listener) =>
      connected(servingUrl, async (sender) => {
        // Gateways listen on this channel too, and ignore this topic.
        const topic = `doctor ${newId()}`;
        const { promise: heard, resolve } = Promise.withResolvers<boolean>();
        listener.on('notification', ({ payload }) => {
          if (payload === topic) resolve(true);
        });
        await listener.query(`listen ${CHANNEL}`);
        await sender.query('select pg_notify($1, $2)', [CHANNEL, topic]);
        const timer = setTimeout(() => resolve(false), NOTIFY_PATIENCE);
        const arrived = await heard;
        clearTimeout(timer);
        return arrived ? ok('A NOTIFY arrives at another connection.') : lost;
      }),
    );
  },
};
