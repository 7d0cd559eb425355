import 'reflect-metadata';
import cluster from 'node:cluster';
import { CommanderError } from 'commander';
import { CannotStart } from '../platform/cannot-start.ts';
import type { Environment } from '../platform/settings.ts';
import { explain } from './explain.ts';
import { type ProgramOptions, program } from './program.ts';
import { processSignals } from './signals.ts';
import { STOPPED } from './streams.ts';
import { tellPrimary } from './workers/primary-link.ts';

/** Runs the command of this process, and ends the process. */
export async function run(environment: Environment): Promise<never> {
  const code = await runCommand(process.argv, {
    environment,
    workingFolder: process.cwd(),
    streams: { input: process.stdin, output: process.stdout, errors: process.stderr },
    signals: processSignals(),
    ...(cluster.isWorker && { fail: (reason) => tellPrimary({ type: 'failed', reason }) }),
  });
  process.exit(code);
}

/**
 * Runs a command without touching the process, and explains a failure on the stream for errors.
 * @param argv as process.argv
 * @param options.fail explains a failure elsewhere
 * @returns the exit code
 */
export async function runCommand(
  argv: readonly string[],
  options: ProgramOptions & { readonly fail?: (reason: string) => Promise<void> },
): Promise<number> {
  try {
    await program(options).parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    // Ctrl-C also ends programs that the start waits for, such as initdb. Then report that the command was stopped,
    // instead of their failure.
    const stopped = options.signals.isStopped() && error instanceof CannotStart;
    const reason = stopped ? STOPPED : explain(error);
    if (options.fail) await options.fail(reason);
    else options.streams.errors.write(`${reason}\n`);
    return 1;
  }
}
