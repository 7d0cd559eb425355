import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection.ts';
import type { Rate, Server } from './process.ts';

export interface Account {
  username: string;
  accessToken: string;
  refreshToken: string;
}

/** Concurrent requests, each over its own connection: of operations that write, and of those that only read. */
const CHANGES = 16;
const READS = 32;
/** Milliseconds before a retry, when the queue for hashes was full. */
const ROOM_AGAIN = 100;
const PASSWORD = 'plum orchard violin';

const LOGIN = `mutation ($username: String!, $password: String!) {
  login(input: { identifier: $username, password: $password }) {
    ... on Authenticated { accessToken refreshToken }
  }
}`;
const REGISTER = `mutation ($username: String!, $email: EmailAddress!, $password: String!) {
  register(input: { username: $username, email: $email, password: $password }) { id }
}`;
const REFRESH = 'mutation ($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken } }';

/** The body of a request that signs in. */
export const loginBody = (username: string): string =>
  JSON.stringify({ query: LOGIN, variables: { username, password: PASSWORD } });

async function execute<Data>(connection: Connection, query: string, variables: object = {}): Promise<Data> {
  const answer = await connection.post(JSON.stringify({ query, variables }));
  return (JSON.parse(answer) as { data: Data }).data;
}

/** Logs in like a real client: it retries a moment later when the queue for hashes is full. */
async function logIn(connection: Connection, username: string): Promise<Account> {
  for (;;) {
    try {
      const data = await execute<{ login: Account }>(connection, LOGIN, { username, password: PASSWORD });
      return { ...data.login, username };
    } catch (error) {
      if (!String(error).includes('"SERVICE_UNAVAILABLE"')) throw error;
      await sleep(ROOM_AGAIN);
    }
  }
}

async function rotate(connection: Connection, account: Account): Promise<void> {
  const { refresh } = await execute<{ refresh: Account }>(connection, REFRESH, {
    token: account.refreshToken,
  });
  account.refreshToken = refresh.refreshToken;
}

export async function register({ url }: Server, username: string): Promise<void> {
  const connection = await Connection.open(url);
  const email = `${username}@example.test`;
  await execute(connection, REGISTER, { username, email, password: PASSWORD }).finally(() =>
    connection.close(),
  );
}

/** Signs all of them in. */
export async function signIn(
  server: Server,
  usernames: readonly string[],
  atATime = CHANGES,
): Promise<Account[]> {
  const accounts: Account[] = [];
  const left = [...usernames];
  await overConnections(server, atATime, async (connection) => {
    for (let name = left.pop(); name !== undefined; name = left.pop())
      accounts.push(await logIn(connection, name));
  });
  return accounts;
}

/** Sends one query, for the accounts in turn, for a time or a number of times. */
export function queries(
  server: Server,
  query: string,
  accounts: readonly Account[],
  { atATime = READS, ...extent }: Extent & { atATime?: number },
): Promise<Rate> {
  const body = JSON.stringify({ query });
  let next = 0;
  return rateOf(server, atATime, extent, async (connection) => {
    await connection.post(body, accounts[next++ % accounts.length]?.accessToken);
  });
}

/** Refreshes the sessions. Each account has at most one refresh at a time, so there must be as many accounts. */
export function refreshes(
  server: Server,
  accounts: readonly Account[],
  { atATime = CHANGES, ...extent }: Extent & { atATime?: number },
): Promise<Rate> {
  const idle = [...accounts];
  return rateOf(server, atATime, extent, async (connection) => {
    const account = idle.shift() as Account;
    await rotate(connection, account);
    idle.push(account);
  });
}

export function logins(
  server: Server,
  usernames: readonly string[],
  extent: Extent,
  atATime = CHANGES,
): Promise<Rate> {
  let next = 0;
  return rateOf(server, atATime, extent, async (connection) => {
    await logIn(connection, usernames[next++ % usernames.length] as string);
  });
}

/** Milliseconds of single queries, one after the other, until `over`. Sorted, the shortest first. */
export async function latencies(
  { url }: Server,
  query: string,
  account: Account,
  over: Promise<unknown>,
): Promise<number[]> {
  const connection = await Connection.open(url);
  const body = JSON.stringify({ query });
  const times: number[] = [];
  let isOver = false;
  const stop = () => {
    isOver = true;
  };
  over.then(stop, stop);
  while (!isOver) {
    const startedAt = performance.now();
    await connection.post(body, account.accessToken);
    times.push(performance.now() - startedAt);
  }
  connection.close();
  await over;
  return times.sort((one, other) => one - other);
}

export type Extent = { seconds: number } | { times: number };

async function rateOf(
  server: Server,
  atATime: number,
  extent: Extent,
  act: (connection: Connection) => Promise<void>,
): Promise<Rate> {
  const startedAt = performance.now();
  const processorBefore = await server.processorSeconds();
  let count = 0;
  const isOver = () =>
    'times' in extent ? count >= extent.times : performance.now() - startedAt >= extent.seconds * 1000;
  await overConnections(server, atATime, async (connection) => {
    while (!isOver()) {
      count += 1;
      await act(connection);
    }
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const processor = (await server.processorSeconds()) - processorBefore;
  return { perSecond: count / seconds, microseconds: (processor / count) * 1e6 };
}

async function overConnections(
  { url }: Server,
  count: number,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(url)));
  await Promise.all(connections.map(work)).finally(() => {
    for (const connection of connections) connection.close();
  });
}
