import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** A migrated database for one test file, on the PostgreSQL of the global set-up. */
export interface TestDatabase {
  readonly ownerUrl: string;
  readonly servingUrl: string;
  /** Runs SQL as the owner of the tables, which no request can do. */
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** A connection that the test closes itself, for a transaction of its own. */
  connect(as?: 'owner' | 'serving'): Promise<pg.Client>;
  /** Runs SQL as the superuser of the cluster. */
  querySuperuser<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Runs SQL as the superuser, in this database. */
  querySuperuserHere(text: string): Promise<unknown>;
  /**
   * Counts the connections to this database that wait for a lock. Other test files hold locks on the same
   * cluster meanwhile.
   */
  lockWaiters(): Promise<number>;
  /**
   * Counts the statements that match the pattern and run in this database now. Only a superuser can read
   * those of another login.
   */
  running(pattern: string): Promise<number>;
  drop(): Promise<void>;
}

interface Cluster {
  superuserUrl: string;
  ownerUrl: string;
  servingUrl: string;
}

const cluster = (): Cluster => JSON.parse(process.env.TEST_DATABASE ?? '{}') as Cluster;

export async function createTestDatabase({ migrated = true } = {}): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const template = new URL(cluster().ownerUrl).pathname.slice(1);
  const owner = new URL(cluster().ownerUrl).username;
  await asSuperuser(`create database ${name} owner ${owner} ${migrated ? `template ${template}` : ''}`);
  const at = (url: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const ownerUrl = at(cluster().ownerUrl);
  const servingUrl = at(cluster().servingUrl);

  const pool = new pg.Pool({ connectionString: ownerUrl, max: 2 });
  pool.on('error', () => {});
  return {
    ownerUrl,
    servingUrl,
    query: async (text, values) => (await pool.query(text, values)).rows,
    connect: async (as = 'owner') => {
      const client = new pg.Client({ connectionString: as === 'owner' ? ownerUrl : servingUrl });
      client.on('error', () => {});
      await client.connect();
      return client;
    },
    querySuperuser: (text, values) => asSuperuser(text, values),
    querySuperuserHere: (text) => asSuperuser(text, [], name),
    lockWaiters: async () => {
      const { rows } = await pool.query<{ count: number }>(
        `select count(distinct pid)::int as count from pg_locks join pg_stat_activity using (pid)
         where not granted and datname = current_database()`,
      );
      return rows[0]?.count ?? 0;
    },
    running: async (pattern) => {
      const rows = await asSuperuser(
        `select from pg_stat_activity
         where query like $1 and state = 'active' and datname = $2 and pid <> pg_backend_pid()`,
        [pattern, name],
      );
      return rows.length;
    },
    drop: async () => {
      await pool.end();
      await asSuperuser(`drop database ${name} with (force)`);
    },
  };
}

async function asSuperuser<Row extends pg.QueryResultRow>(
  statement: string,
  values?: unknown[],
  database?: string,
): Promise<Row[]> {
  const url = new URL(cluster().superuserUrl);
  if (database !== undefined) url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query<Row>(statement, values)).rows;
  } finally {
    await client.end();
  }
}
