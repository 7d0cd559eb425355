import type { Server } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds after the delay, for a request that is under way on an idle connection. */
const LINGER = 200;
/** Milliseconds between two checks for open connections. */
const LOOK_INTERVAL = 20;

/** Milliseconds that an idle turn of the event loop takes at most, with a wide margin. */
const QUIET_TURN = 1;
/** Milliseconds to wait for an idle turn. A busy process closes the listener without one. */
const PATIENCE = 500;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Resolves when the listener may close without losing a request. Until then it serves as before, and every answer says
 * `connection: close`. A client that sends a request within the delay has closed its connection by then, and a proxy
 * has seen that the gateway is not ready.
 */
export async function drained(server: Server, delaySeconds: number): Promise<void> {
  await pause(delaySeconds * 1000);
  const lingerUntil = performance.now() + LINGER;
  while (performance.now() < lingerUntil && (await openConnections(server)) > 0) await pause(LOOK_INTERVAL);
}

const openConnections = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count)));

/**
 * Closes the listener at a moment when no request is lost. The kernel completes connections before they are accepted,
 * and resets those that still wait when the listener closes. Their clients may have sent a request by then, which a
 * proxy must not repeat: it answers 502.
 */
export class ListenerClosing {
  private accepted = 0;
  private rest: Promise<void> | undefined;
  private ended: Promise<void> | undefined;

  constructor(private readonly server: Server) {
    const count = () => {
      this.accepted += 1;
    };
    server.on('connection', count).on('drop', count);
  }

  /**
   * A hook for each request. It delays requests during the search for that moment, so that clients open no more
   * connections.
   */
  readonly hold = (_request: unknown, _reply: unknown, done: () => void): void => {
    if (this.rest) void this.rest.then(done);
    else done();
  };

  /** A hook for `preClose`. Fastify also closes the listener, but some turns later. */
  readonly close = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.rest = promise;
    await this.turnWithoutArrivals();
    // Closes the listener in the same turn. The promise resolves when all connections have ended.
    this.ended = new Promise((end) => this.server.close(() => end()));
    this.rest = undefined;
    resolve();
  };

  /**
   * A hook for `onClose`. Hooks that are registered last run first, and Fastify does not wait for requests when it
   * finds the listener closed.
   */
  readonly finish = async (): Promise<void> => this.ended;

  /** Waits for a turn without a new connection. Each turn of the event loop accepts at most one. */
  private async turnWithoutArrivals(): Promise<void> {
    const until = performance.now() + PATIENCE;
    let now = performance.now();
    let isQuiet = !this.server.listening;
    while (!isQuiet && now < until) {
      const before = { accepted: this.accepted, at: now };
      await nextTurn();
      now = performance.now();
      isQuiet = this.accepted === before.accepted && now - before.at < QUIET_TURN;
    }
  }
}
