import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { runCommand } from '../../src/cli/run.ts';
import { NO_SIGNALS } from '../../src/cli/signals.ts';
import type { Streams } from '../../src/cli/streams.ts';
import type { Environment } from '../../src/platform/settings.ts';
import { noteKeys, refuseSecretsIn } from './secret-watch.ts';

export interface CommandResult {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/**
 * Runs a command of the gateway in this process, with streams of its own. A process of its own (`GatehouseProcess`) takes four
 * times as much processor time, most of it to load the modules. Use that for signals, pipes and the start.
 * @throws when it writes a secret to the stream for errors.
 */
export async function command(
  args: readonly string[],
  environment: Environment,
  { input = '' } = {},
): Promise<CommandResult> {
  noteKeys(environment);
  const streams = { input: new PassThrough(), output: new PassThrough(), errors: new PassThrough() };
  const printed = Promise.all([text(streams.output), text(streams.errors)]);
  streams.input.end(input);
  const code = await runCommand(['node', 'gatehouse', ...args], {
    environment,
    workingFolder: process.cwd(),
    streams: streams as unknown as Streams,
    signals: NO_SIGNALS,
  });
  streams.output.end();
  streams.errors.end();
  const [output, errors] = await printed;
  refuseSecretsIn(errors.split('\n'));
  return { code, output, errors };
}
