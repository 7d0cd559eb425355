import autocannon from 'autocannon';

export interface Account {
  username: string;
  accessToken: string;
  refreshToken: string;
}

export const PASSWORD = 'plum orchard violin';

const LOGIN = `mutation ($username: String!, $password: String!) {
  login(input: { identifier: $username, password: $password }) {
    ... on Authenticated { accessToken refreshToken }
  }
}`;
const REGISTER = `mutation ($username: String!, $email: EmailAddress!, $password: String!) {
  register(input: { username: $username, email: $email, password: $password }) { id }
}`;
const REFRESH = 'mutation ($token: String!) { refresh(refreshToken: $token) { accessToken refreshToken } }';

async function execute<Data>(url: string, query: string, variables: object, headers = {}): Promise<Data> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  if (errors) throw new Error(`the bench was refused: ${JSON.stringify(errors)}`);
  return data;
}

export async function signIn(url: string, username: string): Promise<Account> {
  const data = await execute<{ login: Account }>(url, LOGIN, { username, password: PASSWORD });
  return { ...data.login, username };
}

export async function register(url: string, username: string): Promise<Account> {
  await execute(url, REGISTER, { username, email: `${username}@example.test`, password: PASSWORD });
  return signIn(url, username);
}

/** Requests per second of one query, over 32 connections. */
export async function queriesPerSecond(
  url: string,
  query: string,
  { accessToken }: Account,
  seconds: number,
) {
  const result = await autocannon({
    url,
    connections: 32,
    duration: seconds,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${accessToken}` },
    body: JSON.stringify({ query }),
  });
  if (result.non2xx > 0 || result.errors > 0) throw new Error('the bench was refused');
  return result.requests.average;
}

/** Refreshes per second, each account one after the other. */
export async function refreshesPerSecond(url: string, accounts: Account[], seconds: number): Promise<number> {
  return inParallel(accounts, seconds, async (account) => {
    const data = await execute<{ refresh: Account }>(url, REFRESH, { token: account.refreshToken });
    account.refreshToken = data.refresh.refreshToken;
  });
}

export const loginsPerSecond = (url: string, accounts: Account[], seconds: number): Promise<number> =>
  inParallel(accounts, seconds, async ({ username }) => {
    await signIn(url, username);
  });

/** Milliseconds of single `me` queries, one after the other, while `busy` has not ended. */
export async function latencies(
  url: string,
  { accessToken }: Account,
  busy: Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  let over = false;
  busy.finally(() => {
    over = true;
  });
  while (!over) {
    const startedAt = performance.now();
    await execute(url, '{ me { id username email } }', {}, { authorization: `Bearer ${accessToken}` });
    times.push(performance.now() - startedAt);
  }
  return times.sort((one, other) => one - other);
}

async function inParallel(accounts: Account[], seconds: number, act: (account: Account) => Promise<void>) {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const counts = await Promise.all(
    accounts.map(async (account) => {
      let count = 0;
      while (performance.now() < until) {
        await act(account);
        count += 1;
      }
      return count;
    }),
  );
  return (counts.reduce((sum, count) => sum + count, 0) * 1000) / (performance.now() - startedAt);
}
