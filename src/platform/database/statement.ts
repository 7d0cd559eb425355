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

export { sql };
