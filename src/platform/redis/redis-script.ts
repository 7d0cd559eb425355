import { createHash } from 'node:crypto';
import type { RedisClient } from './redis-link.ts';

/** A Lua script: one step in Redis, which nothing comes between. It touches the keys that it is given and no other. */
export class RedisScript {
  private readonly sha: string;

  constructor(private readonly source: string) {
    this.sha = createHash('sha1').update(source).digest('hex');
  }

  /** `args` are ARGV[1], ARGV[2] and so on. */
  async run(
    client: RedisClient,
    keys: readonly string[],
    args: ReadonlyArray<string | number>,
  ): Promise<unknown> {
    const options = { keys: [...keys], arguments: args.map(String) };
    try {
      return await client.evalSha(this.sha, options);
    } catch (error) {
      // A server that was restarted has forgotten the script; EVAL also teaches it again.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return client.eval(this.source, options);
    }
  }
}
