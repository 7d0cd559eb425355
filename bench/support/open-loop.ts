import { type Answer, Connection } from './connection.ts';
import type { Server } from './process.ts';

export interface Request {
  readonly body: string;
  readonly bearer?: string | undefined;
}

/** The outcome of the requests of an open loop. */
export interface Outcome {
  /** Requests that were due. */
  offered: number;
  /** Requests that were not sent because all connections were busy. In production a proxy would refuse them. */
  unsent: number;
  answered: number;
  /** Requests that were refused with 503 or 429, with Retry-After. */
  shed: number;
  /** The same without Retry-After. */
  shedSilently: number;
  /** Other outcomes with their count: another answer, a closed connection, or no answer in time. */
  neither: Map<string, number>;
  /** Milliseconds from the due time of a request to its answer. */
  longestWait: number;
  longestAnswered: number;
  /** When the last request was due, in the time of performance.now(). */
  endedAt: number;
}

const HELLO = JSON.stringify({ query: '{ __typename }' });
/** Milliseconds. Longer than the deadline of an operation. */
const PATIENCE = 15_000;

/**
 * Offers so many requests a second over at most so many connections, without waiting for answers. Resolves when each
 * request has an outcome.
 */
export async function offer(
  { url }: Pick<Server, 'url'>,
  { perSecond, seconds, connections }: { perSecond: number; seconds: number; connections: number },
  next: () => Request,
): Promise<Outcome> {
  const outcome: Outcome = {
    offered: 0,
    unsent: 0,
    answered: 0,
    shed: 0,
    shedSilently: 0,
    neither: new Map(),
    longestWait: 0,
    longestAnswered: 0,
    endedAt: 0,
  };
  const idle = await warmed(url, connections);
  const under = new Set<Promise<void>>();

  const send = async (dueAt: number): Promise<void> => {
    const { body, bearer } = next();
    let connection: Connection | undefined;
    try {
      connection = idle.pop() ?? (await Connection.open(url));
      const patience = setTimeout(() => connection?.close(new Error('no answer')), PATIENCE);
      const answer = await connection.ask(body, bearer).finally(() => clearTimeout(patience));
      count(outcome, answer, performance.now() - dueAt);
      idle.push(connection);
    } catch (error) {
      connection?.close();
      const what = error instanceof Error ? error.message : String(error);
      outcome.neither.set(what, (outcome.neither.get(what) ?? 0) + 1);
    }
  };

  const startedAt = performance.now();
  const end = startedAt + seconds * 1000;
  for (let now = startedAt; now < end; now = performance.now()) {
    for (; outcome.offered < ((now - startedAt) / 1000) * perSecond; outcome.offered++) {
      if (under.size >= connections) {
        outcome.unsent += 1;
        continue;
      }
      const sending = send(startedAt + (outcome.offered / perSecond) * 1000).finally(() =>
        under.delete(sending),
      );
      under.add(sending);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  outcome.endedAt = performance.now();
  while (under.size > 0) await Promise.race(under);
  for (const connection of idle) connection.close();
  return outcome;
}

/**
 * Connections that are open before the load, like those of a proxy. A connection without a request would be closed
 * after ten seconds.
 */
async function warmed(url: string, count: number): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < count) {
    const connection = await Connection.open(url);
    await connection.ask(HELLO);
    connections.push(connection);
  }
  return connections;
}

function count(outcome: Outcome, { status, retryAfter, body }: Answer, wait: number): void {
  outcome.longestWait = Math.max(outcome.longestWait, wait);
  if (status === 503 || status === 429) {
    if (retryAfter === undefined) outcome.shedSilently += 1;
    else outcome.shed += 1;
  } else if (status === 200 && !body.includes('"errors":')) {
    outcome.answered += 1;
    outcome.longestAnswered = Math.max(outcome.longestAnswered, wait);
  } else {
    const what = `${status} ${body.slice(0, 80)}`;
    outcome.neither.set(what, (outcome.neither.get(what) ?? 0) + 1);
  }
}
