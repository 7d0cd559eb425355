import pg from 'pg';

const texts: string[] = [];
let counting = false;

/** Counts what gateways that are started after this send to PostgreSQL. */
export function countStatements(): void {
  if (counting) return;
  counting = true;
  const { query } = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown };
  Object.assign(pg.Client.prototype, {
    query(this: pg.Client, ...args: unknown[]) {
      const [first] = args;
      texts.push(typeof first === 'string' ? first : String(Object(first).text));
      return query.apply(this, args);
    },
  });
}

/** What has nothing to do with the work: transactions, the reading of endings and heartbeats, which go on beside it. */
const BESIDE = /^(begin|commit|rollback)|pg_snapshot_xmin|^select 1$/i;

/** @returns the statements that the work sent. */
export async function statementsDuring(work: () => Promise<unknown>): Promise<string[]> {
  const before = texts.length;
  await work();
  return texts.slice(before).filter((text) => !BESIDE.test(text.trim()));
}
