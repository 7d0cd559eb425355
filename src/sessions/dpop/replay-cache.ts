import { ServiceUnavailable } from '../../platform/errors.ts';
import { RedisAway, type RedisConnection, RedisScript } from '../../platform/redis/index.ts';

/** The port that remembers which proofs were used. */
export interface ReplayCache {
  /**
   * @param id of a proof
   * @param seconds for which it is remembered
   * @returns whether this is its first use.
   */
  use(id: string, seconds: number): Promise<boolean>;
}

/** Proofs of 120 seconds, 1,500 in each, which is more than a process answers. About 25 MB. */
const MAX_REMEMBERED = 180_000;

/** For one process. */
export class InProcessReplayCache implements ReplayCache {
  /** To the time by performance.now() until which it is remembered, the first used first. */
  private readonly used = new Map<string, number>();

  /** @throws {ServiceUnavailable} when there is no room: a proof that is forgotten could be used again. */
  async use(id: string, seconds: number): Promise<boolean> {
    const now = performance.now();
    for (const [oldest, until] of this.used) {
      if (until > now) break;
      this.used.delete(oldest);
    }
    if (this.used.has(id)) return false;
    if (this.used.size >= MAX_REMEMBERED)
      throw new ServiceUnavailable({ detail: 'too many DPoP proofs at once' });
    this.used.set(id, now + seconds * 1000);
    return true;
  }
}

/** KEYS[1] the proof, ARGV[1] seconds. Returns nil when it was there: the one step that decides between two uses. */
const USE = new RedisScript(`return redis.call('SET', KEYS[1], '', 'NX', 'EX', ARGV[1])`);

/**
 * For several processes. Each remembers for itself too: while Redis is away, a proof works once at each process at most,
 * and the gateway goes on.
 */
export class RedisReplayCache implements ReplayCache {
  private readonly own = new InProcessReplayCache();

  constructor(private readonly redis: RedisConnection) {}

  async use(id: string, seconds: number): Promise<boolean> {
    if (!(await this.own.use(id, seconds))) return false;
    try {
      const first = await this.redis.run((client) => USE.run(client, [`gatehouse:dpop:${id}`], [seconds]));
      return first !== null;
    } catch (error) {
      if (error instanceof RedisAway) return true;
      throw error;
    }
  }
}
