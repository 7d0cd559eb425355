import type { Config } from '../config/index.ts';
import { Hints } from '../platform/hints.ts';
import { standardError } from '../platform/log-sink.ts';
import { createLogger } from '../platform/logger.ts';
import { CommandError, STOPPED } from './streams.ts';

/** What the start of a process with a console needs, whether it serves itself or starts workers. */
export interface StartUpOptions {
  readonly config: Config;
  readonly output: NodeJS.WritableStream;
  readonly errors: NodeJS.WritableStream;
  readonly stopped: Promise<void>;
  /** Whether other processes write to standard error too. */
  readonly isShared?: boolean;
}

/** Opens the log and the console, and gives the hints of the settings. */
export function startUp({ config, output, errors, stopped, isShared = false }: StartUpOptions) {
  const sink = standardError({ isShared });
  const log = createLogger(config.logLevel, sink);
  // When the audit stream uses standard output, messages for people go to standard error.
  const console = config.auditStream === 'stdout' ? errors : output;
  const hints = new Hints(log, config.production ? undefined : console);
  for (const message of config.warnings) hints.give({ message });
  const { promise: lost, reject: lose } = Promise.withResolvers<never>();
  lost.catch(() => {});
  const interrupted = stopped.then((): never => {
    throw new CommandError(STOPPED);
  });
  interrupted.catch(() => {});
  return {
    sink,
    log,
    console,
    hints,
    /** Rejects when the embedded PostgreSQL ends under the process; `lose` makes it reject. */
    lost,
    lose,
    /** Rejects when the process is asked to stop. */
    interrupted,
  };
}
