import { createHash } from 'node:crypto';
import { tracing } from '../telemetry/index.ts';
import type { RedisClient } from './redis-link.ts';

/** A Lua script, which Redis executes atomically. It uses only the keys that it is given. */
export class RedisScript {
  private readonly sha: string;

  constructor(private readonly source: string) {
    this.sha = createHash('sha1').update(source).digest('hex');
  }

  /** `args` are ARGV[1], ARGV[2] and so on. */
  run(client: RedisClient, keys: readonly string[], args: ReadonlyArray<string | number>): Promise<unknown> {
    const attributes = { 'db.system.name': 'redis', 'db.operation.name': 'EVALSHA' } as const;
    return tracing().span('EVALSHA', 'client', attributes, () => this.send(client, keys, args));
  }

  private async send(
    client: RedisClient,
    keys: readonly string[],
    args: ReadonlyArray<string | number>,
  ): Promise<unknown> {
    const options = { keys: [...keys], arguments: args.map(String) };
    try {
      return await client.evalSha(this.sha, options);
    } catch (error) {
      // A restarted server has lost the script; EVAL also caches it again.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return client.eval(this.source, options);
    }
  }
}
