import type { Server } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds for a request that is on its way on an idle connection when the delay is over. */
const LINGER = 200;
/** Milliseconds between two looks at whether a connection is left. */
const LOOK_INTERVAL = 20;

/** Milliseconds that a turn of the event loop takes in which nothing was to be done, with much to spare. */
const QUIET_TURN = 1;
/** Milliseconds to wait for such a turn; a busy process closes without one. */
const PATIENCE = 500;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Resolves when the listener may close without losing a request. Until then it serves as before, and every answer says
 * `connection: close`: a client that sends at least once within the delay has closed its connection by then, and a proxy has
 * seen that readiness is red.
 */
export async function drained(server: Server, delaySeconds: number): Promise<void> {
  await pause(delaySeconds * 1000);
  const lingerUntil = performance.now() + LINGER;
  while (performance.now() < lingerUntil && (await openConnections(server)) > 0) await pause(LOOK_INTERVAL);
}

const openConnections = (server: Server): Promise<number> =>
  new Promise((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count)));

/**
 * Closes the listener in a moment in which that loses no request. The kernel completes connections before they are
 * accepted, and resets those that still wait when the listener closes. Their clients have sent a request by then, which a proxy
 * may not repeat: it answers 502.
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

  /** A hook for each request: while the moment is looked for, requests wait, so that their clients open no more connections. */
  readonly hold = (_request: unknown, _reply: unknown, done: () => void): void => {
    if (this.rest) void this.rest.then(done);
    else done();
  };

  /** A hook for `preClose`. Fastify closes the listener too, but some turns later. */
  readonly close = async (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.rest = promise;
    await this.turnWithoutArrivals();
    // In the same turn. It ends when all connections have.
    this.ended = new Promise((end) => this.server.close(() => end()));
    this.rest = undefined;
    resolve();
  };

  /** A hook for `onClose`, registered last and so run first: Fastify, which finds the listener closed, waits for no request. */
  readonly finish = async (): Promise<void> => this.ended;

  /** Each turn of the event loop accepts one connection, if there is one. */
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
