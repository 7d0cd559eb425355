import type { Server } from 'node:http';

/** Milliseconds for a request that is on its way on an idle connection when the delay is over. */
const LINGER = 200;
/** Milliseconds between two looks at whether a connection is left. */
const LOOK_INTERVAL = 20;

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
