import type { EntityManager } from '@mikro-orm/postgresql';
import { type RawBuilder, sql } from 'kysely';

/**
 * Runs one hand-written SQL statement, with bound parameters, in the transaction of the EntityManager. It is for work
 * that entities cannot express: a conditional change judged by its row count, and the reads of every request.
 *
 *     const rows = await statement(em, sql<{ id: string }>`select id from users where username_key = ${key}`);
 */
export async function statement<Row>(em: EntityManager, query: RawBuilder<Row>): Promise<Row[]> {
  const { rows } = await query.execute(em.getKysely());
  return rows;
}

/** Marks the text of a prepared statement, since Kysely passes on only text and values. */
export const PREPARED = '/* prepared */';

/**
 * Like `statement`, for the few statements of which most requests consist: each connection plans them once
 * (connection-care.ts). Planning takes PostgreSQL two to four times as long as executing them. They name their columns,
 * because PostgreSQL refuses them after a migration that adds a column to a `*` ("cached plan must not change result
 * type").
 */
export function preparedStatement<Row>(em: EntityManager, query: RawBuilder<Row>): Promise<Row[]> {
  return statement(em, sql<Row>`${sql.raw(PREPARED)} ${query}`);
}

export { sql };
