import type { Database } from './support/database.ts';
import { logins, queries, refreshes, register, signIn } from './support/load.ts';
import { GATEWAY, GATEWAY_PORT, Server } from './support/process.ts';
import { median, percent, printTable } from './support/table.ts';

const SIZES = [1_000, 100_000, 1_000_000];
const SESSIONS_EACH = 3;
/** Accounts of all ages among which the load is distributed. */
const SAMPLE = 400;
const ROUNDS = 3;
const WARM_UP_SECONDS = 10;
const ME = '{ me { id username email roles { name } } }';
const OPERATIONS = ['login', 'refresh', 'me'] as const;

/** Requests per second of each operation. */
type Measured = Record<(typeof OPERATIONS)[number], number>;

/**
 * Measures whether login, refresh and `me` cost the same for any number of accounts. Passwords are hashed at the lowest
 * cost, since a real one would hide the rest of a login.
 */
export async function benchGrowth(database: Database, seconds: number): Promise<void> {
  const server = await Server.start(GATEWAY, GATEWAY_PORT, {
    ...database.environment,
    PASSWORD_BCRYPT_COST: '4',
  });
  try {
    await register(server, 'model');
    const rows: string[][] = [];
    let first: Measured | undefined;
    for (const size of SIZES) {
      await grow(database, size);
      // By the first row, the code must be compiled and the pool filled. Otherwise the first row would pay for it.
      if (!first) await measure(server, size, WARM_UP_SECONDS);
      const before = await rowsReadWithoutIndex(database);
      const measured = await measure(server, size, seconds);
      const scanned = (await rowsReadWithoutIndex(database)) - before;
      first ??= measured;
      const base = first;
      const cells = OPERATIONS.map(
        (name) => `${measured[name].toFixed(0)} /s, ${percent(measured[name] / base[name])}`,
      );
      rows.push([size.toLocaleString('en'), ...cells, String(scanned)]);
    }
    printTable(['accounts', ...OPERATIONS, 'rows read without an index'], rows);
  } finally {
    await server.stop();
  }
}

async function measure(server: Server, size: number, seconds: number): Promise<Measured> {
  const usernames = Array.from({ length: SAMPLE }, (_, index) =>
    nameOf(Math.floor((index * size) / SAMPLE) + 1),
  );
  const accounts = await signIn(server, usernames);
  const rounds: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      login: (await logins(server, usernames, { seconds })).perSecond,
      refresh: (await refreshes(server, accounts, { seconds })).perSecond,
      me: (await queries(server, ME, accounts, { seconds })).perSecond,
    });
  }
  const of = (name: keyof Measured) => median(rounds.map((round) => round[name]));
  return { login: of('login'), refresh: of('refresh'), me: of('me') };
}

const nameOf = (number: number): string => `grown${number}`;

/** Adds accounts up to that number, with the password of `model`. A hash does not depend on its account. */
async function grow({ query }: Database, size: number): Promise<void> {
  await query(
    `with next as (
       select count(*) as have from users where username_key like 'grown%'
     ), made as (
       insert into users (id, username, username_key, email, email_key)
       select uuidv7(), 'grown' || n, 'grown' || n, 'grown' || n || '@example.test', 'grown' || n || '@example.test'
       from next, generate_series(have + 1, $1) n
       returning id
     ), passwords as (
       insert into password_credential (user_id, hash, pepper_id)
       select made.id, c.hash, c.pepper_id
       from made, users m join password_credential c on c.user_id = m.id where m.username_key = 'model'
     )
     insert into session (id, user_id, amr, aal, expires_at)
     select uuidv7(), id, '{pwd}', 1, now() + interval '30 days' from made, generate_series(1, $2)`,
    [size, SESSIONS_EACH],
  );
  await query('vacuum analyze');
}

/** Rows of the growing tables that were read without an index. */
async function rowsReadWithoutIndex({ query }: Database): Promise<number> {
  // PostgreSQL processes report their counts once they have been idle for a second.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const [row] = await query<{ read: string }>(
    `select sum(seq_tup_read) as read from pg_stat_user_tables
     where relname in ('users', 'password_credential', 'session', 'audit_event')`,
  );
  return Number(row?.read);
}
