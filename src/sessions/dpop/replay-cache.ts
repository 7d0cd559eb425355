import { ServiceUnavailable } from '../../platform/errors.ts';
import { RedisAway, type RedisConnection, RedisScript } from '../../platform/redis/index.ts';

/** The port that remembers used proofs. */
export interface ReplayCache {
  /**
   * Marks a proof as used.
   * @param seconds for which it is remembered
   * @returns whether this is its first use.
   */
  use(id: string, seconds: number): Promise<boolean>;
}

/** Proofs of 120 seconds at 1,500 a second, which is more than a process answers. They take about 25 MB. */
const MAX_REMEMBERED = 180_000;

/** Remembers the proofs of one process. */
export class InProcessReplayCache implements ReplayCache {
  /** Proof to its expiry, in the time of performance.now(). The oldest use comes first. */
  private readonly used = new Map<string, number>();

  /** @throws {ServiceUnavailable} when there is no room: a forgotten proof could be used again. */
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

/** KEYS[1] the proof, ARGV[1] seconds. Returns nil when the key existed. This one step decides between two uses. */
const USE = new RedisScript(`return redis.call('SET', KEYS[1], '', 'NX', 'EX', ARGV[1])`);

/**
 * Remembers the proofs of several processes. Each process also remembers its own: while Redis is away, the gateway goes
 * on, and a proof works at most once at each process.
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
