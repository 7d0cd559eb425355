import { randomBytes } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import { hashOfSecret } from '../../platform/one-time-secret.ts';
import { RecoveryCode } from './recovery-code.entity.ts';

const CODES = 10;
/**
 * Look-up secrets of at least 112 bits may be stored as a plain hash (NIST SP 800-63B-4 section 3.1.2.2), because they
 * cannot be guessed. A code has 120 bits, which fill whole characters.
 */
const BYTES = 15;
const CHARACTERS = (BYTES * 8) / 5;
/** Crockford's Base32: without U and without the letters that look like digits. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const GROUP = 4;

/**
 * Manages recovery codes, for owners who lost their authenticator. Each code works once, and a new set voids the old
 * one.
 */
export class RecoveryCodes {
  /** @returns the codes, which cannot be read again. */
  async replace(tx: EntityManager, userId: string): Promise<string[]> {
    const codes = Array.from({ length: CODES }, newCode);
    await this.removeAll(tx, userId);
    await tx.insertMany(
      RecoveryCode,
      codes.map((code) => ({ userId, codeHash: hashOf(code) })),
    );
    return codes;
  }

  /** Consumes a code. @returns false when the code is wrong or was used. */
  async consume(tx: EntityManager, userId: string, code: string): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`delete from recovery_code where user_id = ${userId} and code_hash = ${hashOf(code)} returning user_id`,
    );
    return rows.length > 0;
  }

  async removeAll(tx: EntityManager, userId: string): Promise<void> {
    await tx.nativeDelete(RecoveryCode, { userId });
  }

  /** Removes the codes that were made after this time. @returns how many. */
  removeNewerThan(tx: EntityManager, userId: string, time: Date): Promise<number> {
    return tx.nativeDelete(RecoveryCode, { userId, createdAt: { $gt: time } });
  }

  count(em: EntityManager, userId: string): Promise<number> {
    return em.count(RecoveryCode, { userId });
  }

  /** Counts the codes of each account that has any. */
  async counts(em: EntityManager, userIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const rows = await statement(
      em,
      sql<{ user_id: string; count: number }>`
        select user_id, count(*)::int as count from recovery_code
        where user_id = any(${[...userIds]}::uuid[]) group by user_id`,
    );
    return new Map(rows.map(({ user_id, count }) => [user_id, count]));
  }
}

function newCode(): string {
  const bits = BigInt(`0x${randomBytes(BYTES).toString('hex')}`);
  const characters = Array.from(
    { length: CHARACTERS },
    (_, i) => ALPHABET[Number((bits >> BigInt(5 * i)) & 31n)],
  );
  return (
    characters
      .join('')
      .match(new RegExp(`.{${GROUP}}`, 'g'))
      ?.join('-') ?? ''
  );
}

/** Hashes a code in its normal form: case, dashes and spaces are ignored, and O, I and L are read as digits. */
function hashOf(code: string): Buffer {
  const read = code.toLowerCase().replace(/[\s-]/g, '').replaceAll('o', '0').replace(/[il]/g, '1');
  return hashOfSecret(read);
}
