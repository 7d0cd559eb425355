import type { TestDatabase } from './database.ts';
import type { TestRedis } from './redis.ts';

/** Looks into a session store, and moves times there into the past: stores judge by their own clock. */
export interface SessionProbe {
  /** Undefined when the store does not hold the session. */
  generation(userId: string, sessionId: string): Promise<number | undefined>;
  age(userId: string, sessionId: string, seconds: number): Promise<void>;
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
  async count(userId) {
    return (await query('select from session where user_id = $1', [userId])).length;
  },
});

export const probeRedis = (redis: TestRedis): SessionProbe => {
  const key = (userId: string) => `gatehouse:sessions:{${userId}}`;
  const read = async (userId: string, sessionId: string) =>
    JSON.parse(String(await redis.command('HGET', key(userId), sessionId))) as Record<string, unknown> | null;
  return {
    async generation(userId, sessionId) {
      return (await read(userId, sessionId))?.generation as number | undefined;
    },
    async age(userId, sessionId, seconds) {
      const session = await read(userId, sessionId);
      if (!session) throw new Error('no such session');
      for (const [name, value] of Object.entries(session))
        if (name.endsWith('At')) session[name] = Number(value) - seconds * 1000;
      await redis.command('HSET', key(userId), sessionId, JSON.stringify(session));
    },
    async count(userId) {
      return Number(await redis.command('HLEN', key(userId)));
    },
  };
};
