import cluster from 'node:cluster';
import { closeSync, openSync } from 'node:fs';

/** Milliseconds in which a repeated signal is ignored: under npm, Ctrl-C arrives from the terminal and from npm. */
const ECHO = 1_000;
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The signals that ask this process for something. */
export interface Signals {
  /** Resolves when the process is asked to stop. */
  readonly stopped: Promise<void>;
  readonly isStopped: () => boolean;
  /**
   * From now on SIGHUP calls `listener`. Without a listener, or when the terminal was closed, SIGHUP stops the
   * process.
   */
  onHangUp(listener: () => void): void;
}

/** For a command that runs inside of another program. */
export const NO_SIGNALS: Signals = {
  stopped: new Promise(() => {}),
  isStopped: () => false,
  onHangUp() {},
};

/** The first signal requests an orderly stop. A later one ends the process at once. */
export function processSignals(): Signals {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  let askedAt: number | undefined;
  let onHangUp: (() => boolean) | undefined;
  const stop = () => {
    if (askedAt !== undefined && performance.now() - askedAt > ECHO) process.exit(130);
    askedAt ??= performance.now();
    resolve();
  };
  for (const signal of STOPPING) {
    process.on(signal, () => {
      // Ctrl-C and supervisors signal every process of a gateway. The primary tells its workers when to stop.
      if (cluster.isWorker) return;
      if (signal !== 'SIGHUP' || !onHangUp?.()) stop();
    });
  }
  return {
    stopped,
    isStopped: () => askedAt !== undefined,
    onHangUp(listener) {
      // On Windows, Node reports the closing of the console as SIGHUP.
      if (process.platform === 'win32') return;
      const hadTerminal = hasTerminal();
      onHangUp = () => {
        if (hadTerminal && !hasTerminal()) return false;
        listener();
        return true;
      };
    },
  };
}

/**
 * Whether the process has a controlling terminal. The process loses its terminal when a person closes the window, or
 * the connection breaks.
 */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
