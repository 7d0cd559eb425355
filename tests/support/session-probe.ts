import type { TestDatabase } from './database.ts';
import { redisCommand } from './redis.ts';

/** Looks into a session store and brings it into states that time or mishap would: stores judge by their own clock. */
export interface SessionProbe {
  /** Undefined when the store does not hold the session. */
  generation(userId: string, sessionId: string): Promise<number | undefined>;
  /** Moves all its times into the past. */
  age(userId: string, sessionId: string, seconds: number): Promise<void>;
  /** Back to what a password alone gives. */
  weaken(userId: string, sessionId: string): Promise<void>;
  /** As if the store had lost the sessions of the user. */
  lose(userId: string): Promise<void>;
  /** How many sessions of the user the store holds, whatever they are worth. */
  count(userId: string): Promise<number>;
}

export const probePostgres = ({ query }: TestDatabase): SessionProbe => ({
  async generation(_userId, sessionId) {
    const [row] = await query<{ generation: number }>('select generation from session where id = $1', [
      sessionId,
    ]);
    return row?.generation;
  },
  async age(_userId, sessionId, seconds) {
    await query(
      `update session set rotated_at = rotated_at - d, last_used_at = last_used_at - d, expires_at = expires_at - d,
                          authenticated_at = authenticated_at - d, created_at = created_at - d
       from make_interval(secs => $2) as d where id = $1`,
      [sessionId, seconds],
    );
  },
  async weaken(_userId, sessionId) {
    await query(`update session set aal = 1, amr = '{pwd}' where id = $1`, [sessionId]);
  },
  async lose(userId) {
    await query('delete from session where user_id = $1', [userId]);
  },
  async count(userId) {
    return (await query('select from session where user_id = $1', [userId])).length;
  },
});

export const probeRedis = (url: string): SessionProbe => {
  const key = (userId: string) => `gatehouse:sessions:{${userId}}`;
  const read = async (userId: string, sessionId: string) =>
    JSON.parse(String(await redisCommand(url, 'HGET', key(userId), sessionId))) as Record<
      string,
      unknown
    > | null;
  const change = async (
    userId: string,
    sessionId: string,
    changed: (session: Record<string, unknown>) => Record<string, unknown>,
  ) => {
    const session = await read(userId, sessionId);
    if (!session) throw new Error('no such session');
    const json = JSON.stringify({ ...session, ...changed(session) });
    await redisCommand(url, 'HSET', key(userId), sessionId, json);
  };
  return {
    async generation(userId, sessionId) {
      return (await read(userId, sessionId))?.generation as number | undefined;
    },
    age(userId, sessionId, seconds) {
      return change(userId, sessionId, (session) =>
        Object.fromEntries(
          Object.entries(session)
            .filter(([name]) => name.endsWith('At'))
            .map(([name, time]) => [name, Number(time) - seconds * 1000]),
        ),
      );
    },
    weaken: (userId, sessionId) => change(userId, sessionId, () => ({ aal: 1, amr: ['pwd'] })),
    async lose(userId) {
      await redisCommand(url, 'DEL', key(userId));
    },
    async count(userId) {
      return Number(await redisCommand(url, 'HLEN', key(userId)));
    },
  };
};
