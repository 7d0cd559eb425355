import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from './database/index.ts';

/** 256 random bits, which cannot be guessed. */
const BYTES = 32;

/** A new bearer secret: 43 characters of base64url. The database keeps only its hash. */
export const newSecret = (): string => randomBytes(BYTES).toString('base64url');

/**
 * The hash of a secret: SHA-256. A slow hash is not needed, since look-up secrets of 112 bits and more cannot be
 * guessed (NIST SP 800-63B-4 section 3.1.2.2).
 */
export const hashOfSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/** Compares in constant time, for a row that was found by another column than the secret. */
export const isSecretOf = (secret: string, hash: Uint8Array): boolean =>
  timingSafeEqual(hashOfSecret(secret), hash);

/** Names the stored row of a secret. The table has a column `expires_at`; an existing, unexpired row is valid. */
export interface KeptSecret {
  readonly table: string;
  /** The column of the hash. */
  readonly column: string;
  readonly hash: Buffer;
  /** Other tables that the condition reads. */
  readonly using?: RawBuilder<unknown>;
  /** A further condition: the owner and the purpose of the secret. */
  readonly condition?: RawBuilder<unknown>;
}

/**
 * Consumes a secret by one conditional statement that deletes its row: of any number of concurrent attempts, one gets
 * the row.
 * @param returning columns of the row
 * @returns null for a secret that is unknown, expired, used, or not valid for this purpose.
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
