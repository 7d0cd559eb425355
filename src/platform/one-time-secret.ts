import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from './database/index.ts';

/** 256 random bits: nobody can try them all. */
const BYTES = 32;

/** A new bearer secret: 43 characters of base64url. The database keeps only its hash. */
export const newSecret = (): string => randomBytes(BYTES).toString('base64url');

/**
 * What is kept of a secret: SHA-256. A slow hash is not needed, since look-up secrets of 112 bits and more cannot be guessed (NIST
 * SP 800-63B-4 section 3.1.2.2).
 */
export const hashOfSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/** Compares in constant time, for a row that was found by something else than its secret. */
export const isSecretOf = (secret: string, hash: Uint8Array): boolean =>
  timingSafeEqual(hashOfSecret(secret), hash);

/** Where a secret is kept. The table has a column `expires_at`; a row that exists and has not expired is good. */
export interface KeptSecret {
  readonly table: string;
  /** The column of the hash. */
  readonly column: string;
  readonly hash: Buffer;
  /** Other tables that the condition reads. */
  readonly using?: RawBuilder<unknown>;
  /** What must hold besides: whose the secret is, and what it is for. */
  readonly condition?: RawBuilder<unknown>;
}

/**
 * Uses a secret up by one conditional statement that deletes its row: of any number of attempts at once, one gets the row.
 * @param returning columns of the row
 * @returns null for a secret that is unknown, expired, used, or not good for this.
 */
export async function consumeSecret<Row>(
  em: EntityManager,
  { table, column, hash, using, condition = sql`true` }: KeptSecret,
  returning: RawBuilder<unknown>,
): Promise<Row | null> {
  const [row] = await statement(
    em,
    sql<Row>`
      delete from ${sql.table(table)} ${using ? sql`using ${using}` : sql``}
      where ${sql.ref(`${table}.${column}`)} = ${hash} and ${sql.ref(`${table}.expires_at`)} > now()
        and ${condition}
      returning ${returning}`,
  );
  return row ?? null;
}
