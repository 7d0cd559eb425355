import type { EntityManager } from '@mikro-orm/postgresql';
import { type RawBuilder, sql } from 'kysely';

/**
 * One written SQL statement, with bound parameters, in the transaction that the EntityManager is in.
 * For what entities cannot say: a conditional change judged by its row count, and reads that every request makes.
 *
 *     const rows = await statement(em, sql<{ id: string }>`select id from users where username_key = ${key}`);
 */
export async function statement<Row>(em: EntityManager, query: RawBuilder<Row>): Promise<Row[]> {
  const { rows } = await query.execute(em.getKysely());
  return rows;
}

/** What the text of a prepared statement begins with: Kysely hands on text and values, nothing beside. */
export const PREPARED = '/* prepared */';

/**
 * The same for the few statements that most requests are made of: each connection plans it once (connection-care.ts).
 * Planning takes PostgreSQL two to four times as long as what they do. They name their columns: after a migration that
 * adds one to a `*`, PostgreSQL refuses to go on ("cached plan must not change result type").
 */
export function preparedStatement<Row>(em: EntityManager, query: RawBuilder<Row>): Promise<Row[]> {
  return statement(em, sql<Row>`${sql.raw(PREPARED)} ${query}`);
}

export { sql };
