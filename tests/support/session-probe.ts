import type { TestDatabase } from './database.ts';
import { eventually } from './race.ts';
import { redisCommand } from './redis.ts';

/**
 * Reads a session store, and brings it into states that otherwise need time or an accident. Stores use their
 * own clock.
 */
export interface SessionProbe {
  /** Undefined when the store does not have the session. */
  generation(userId: string, sessionId: string): Promise<number | undefined>;
  /** The latest generation of which an access token was seen. */
  seenGeneration(userId: string, sessionId: string): Promise<number | null>;
  /** Moves all its times into the past. */
  age(userId: string, sessionId: string, seconds: number): Promise<void>;
  /** Writes a step-up like a release without notes: the times of rotation and authentication are equal. */
  stepUpOfEarlierRelease(userId: string, sessionId: string): Promise<void>;
  /** Sets the level of a password alone. */
  weaken(userId: string, sessionId: string): Promise<void>;
  /** Deletes the sessions of the user, as if the store had lost them. */
  lose(userId: string): Promise<void>;
  /**
   * The current state of the session in the store. @returns a function that restores it a number of seconds
   * later, like an old snapshot or a lagging replica.
   */
  snapshot(userId: string, sessionId: string): Promise<(secondsLater: number) => Promise<void>>;
  /** The number of sessions of the user in the store, valid or not. */
  count(userId: string): Promise<number>;
}

/** Waits until the sighting is written, a moment after the request. Other processes know it only then. */
export const isSeen = (probe: SessionProbe, userId: string, sessionId: string, generation: number) =>
  eventually(
    () => probe.seenGeneration(userId, sessionId),
    (seen) => seen === generation,
  );

export const probePostgres = ({ query }: TestDatabase): SessionProbe => ({
  async generation(_userId, sessionId) {
    const [row] = await query<{ generation: number }>('select generation from session where id = $1', [
      sessionId,
    ]);
    return row?.generation;
  },
  async seenGeneration(_userId, sessionId) {
    const [row] = await query<{ seen: number | null }>(
      'select seen_generation as seen from session where id = $1',
      [sessionId],
    );
    return row?.seen ?? null;
  },
  async age(_userId, sessionId, seconds) {
    await query(
      `update session set rotated_at = rotated_at - d, last_used_at = last_used_at - d, expires_at = expires_at - d,
                          authenticated_at = authenticated_at - d, created_at = created_at - d,
                          refresh_notes = case when refresh_notes is not null then
                            jsonb_set(jsonb_set(refresh_notes,
                              '{givenLate,at}', coalesce(to_jsonb((refresh_notes#>>'{givenLate,at}')::float8 - $2 * 1000), 'null'), false),
                              '{day,since}', coalesce(to_jsonb((refresh_notes#>>'{day,since}')::float8 - $2 * 1000), 'null'), false) end
       from make_interval(secs => $2) as d where id = $1`,
      [sessionId, seconds],
    );
  },
  async stepUpOfEarlierRelease(_userId, sessionId) {
    await query(
      'update session set generation = generation + 1, rotated_at = now(), authenticated_at = now() where id = $1',
      [sessionId],
    );
  },
  async weaken(_userId, sessionId) {
    await query(`update session set aal = 1, amr = '{pwd}' where id = $1`, [sessionId]);
  },
  async lose(userId) {
    await query('delete from session where user_id = $1', [userId]);
  },
  async snapshot(userId, sessionId) {
    const [held] = await query<{ row: object }>('select to_jsonb(s) as row from session s where id = $1', [
      sessionId,
    ]);
    return async (secondsLater) => {
      if (!held) return;
      await query('delete from session where id = $1', [sessionId]);
      await query('insert into session select * from jsonb_populate_record(null::session, $1)', [held.row]);
      await this.age(userId, sessionId, secondsLater);
    };
  },
  async count(userId) {
    return (await query('select from session where user_id = $1', [userId])).length;
  },
});

/** Times are named `...At` at the top, and `at` or `since` in the notes. */
const aged = (held: object, milliseconds: number): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(held).map(([name, value]: [string, unknown]) => {
      if (typeof value === 'number' && /(^at|^since|At)$/.test(name)) return [name, value - milliseconds];
      const isNested = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [name, isNested ? aged(value, milliseconds) : value];
    }),
  );

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
    async seenGeneration(userId, sessionId) {
      return ((await read(userId, sessionId))?.seenGeneration as number | undefined) ?? null;
    },
    age(userId, sessionId, seconds) {
      return change(userId, sessionId, (session) => aged(session, seconds * 1000));
    },
    stepUpOfEarlierRelease: (userId, sessionId) =>
      change(userId, sessionId, ({ generation }) => {
        const now = Date.now();
        return { generation: Number(generation) + 1, rotatedAt: now, authenticatedAt: now };
      }),
    weaken: (userId, sessionId) => change(userId, sessionId, () => ({ aal: 1, amr: ['pwd'] })),
    async lose(userId) {
      await redisCommand(url, 'DEL', key(userId));
    },
    async snapshot(userId, sessionId) {
      const session = await read(userId, sessionId);
      return async (secondsLater) => {
        if (!session) return;
        const json = JSON.stringify(aged(session, secondsLater * 1000));
        await redisCommand(url, 'HSET', key(userId), sessionId, json);
      };
    },
    async count(userId) {
      return Number(await redisCommand(url, 'HLEN', key(userId)));
    },
  };
};
