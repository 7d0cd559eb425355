import pg from 'pg';

export interface SentStatement {
  readonly text: string;
  readonly values: unknown[];
}

const sent: SentStatement[] = [];
let watching = false;

/** Notes the statements of all gateways that are started after this. */
export function watchStatements(): void {
  if (watching) return;
  watching = true;
  const { query } = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown };
  Object.assign(pg.Client.prototype, {
    query(this: pg.Client, ...args: unknown[]) {
      const [statement, values] = args;
      sent.push(
        typeof statement === 'string'
          ? { text: statement, values: Array.isArray(values) ? values : [] }
          : { text: String(Object(statement).text), values: Object(statement).values ?? [] },
      );
      return query.apply(this, args);
    },
  });
}

/** Statements that do not belong to the work: transactions, and background tasks. */
const BESIDE = new RegExp(
  [
    /^(begin|commit|rollback)/,
    // Reading revocations, the audit stream, and the mark of a transaction before its COMMIT.
    /pg_current_snapshot/,
    /pg_current_xact_id_if_assigned/,
    /audit_stream/,
    // Sightings of generations, a moment after the first use of a token.
    /^update session s set seen_generation/,
    /^select 1$/,
    /mail_job/,
    // Sign-ins that must still be reported to Blockpass, every two seconds.
    /blockpass_completion/,
    /^select "r0"\.\* from "role" as "r0"$/,
    // The query for the time of the database, every 5 s.
    /^select \(extract\(epoch from clock_timestamp/,
    // Every half a minute: the time of the database, and the signing keys.
    /^select floor\(extract\(epoch from clock_timestamp/,
    /^select "s0"\.\* from "signing_key"/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'i',
);

/** @returns the statements that the work sent. */
export async function statementsDuring(work: () => Promise<unknown>): Promise<SentStatement[]> {
  const before = sent.length;
  await work();
  return sent.slice(before).filter(({ text }) => !BESIDE.test(text.trim()));
}
