import 'reflect-metadata';
import { CommanderError } from 'commander';
import { CannotStart } from '../platform/cannot-start.ts';
import { connectionRefusal } from '../platform/database/index.ts';
import { BadUserInput, GatehouseError } from '../platform/errors.ts';
import { type Environment, InvalidSettings } from '../platform/settings.ts';
import { type ProgramOptions, program } from './program.ts';
import { CommandError, STOPPED } from './streams.ts';

/** Milliseconds in which a repeated signal is ignored: under npm, Ctrl-C arrives from the terminal and from npm. */
const ECHO = 1_000;

/** Errors whose message tells a person what to do. */
const ACTIONABLE = [InvalidSettings, CannotStart, CommandError, GatehouseError];

/** Runs the command of this process, and ends the process. */
export async function run(environment: Environment): Promise<never> {
  const stop = stopSignal();
  const code = await runCommand(process.argv, {
    environment,
    workingFolder: process.cwd(),
    streams: { input: process.stdin, output: process.stdout, errors: process.stderr },
    stopped: stop.asked,
    isStopped: stop.isAsked,
  });
  process.exit(code);
}

/**
 * Runs a command without touching the process, and explains a failure on the stream for errors.
 * @param argv as process.argv
 * @returns the exit code
 */
export async function runCommand(
  argv: readonly string[],
  { isStopped = () => false, ...options }: ProgramOptions & { readonly isStopped?: () => boolean },
): Promise<number> {
  try {
    await program(options).parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    // Ctrl-C also ends programs that the start waits for, such as initdb. Their failure is then not the reason.
    const stopped = isStopped() && error instanceof CannotStart;
    options.streams.errors.write(`${stopped ? STOPPED : explain(error)}\n`);
    return 1;
  }
}

/** The first signal requests an orderly stop. A later one ends the process at once. */
function stopSignal(): { asked: Promise<void>; isAsked: () => boolean } {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  let askedAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (askedAt !== undefined && performance.now() - askedAt > ECHO) process.exit(130);
      askedAt ??= performance.now();
      resolve();
    });
  }
  return { asked, isAsked: () => askedAt !== undefined };
}

/** Explains an error that a person can act on in a sentence. Any other error is a fault and keeps its stack. */
function explain(error: unknown): string {
  if (error instanceof BadUserInput) return error.fields.map(({ message }) => message).join('\n');
  if (ACTIONABLE.some((kind) => error instanceof kind)) return (error as Error).message;
  const refusal = connectionRefusal(error);
  if (refusal !== undefined) return `DATABASE_URL, or the embedded PostgreSQL without it: ${refusal}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
