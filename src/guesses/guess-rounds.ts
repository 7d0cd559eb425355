import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';

/**
 * The round of an account's guesses, kept in its row. Every bucket that counts guesses at the account is named after the
 * round (`inRound`). The next round therefore has no bucket yet, and an absent bucket is full.
 *
 * Nothing else would find all buckets: their keys also name networks, devices and sessions, Redis keeps only hashes of the
 * keys, and without Redis they are in the memory of each process.
 */
export const guessRounds = {
  /** @returns 0 for an account that was never unlocked, and for one that does not exist. */
  async of(em: EntityManager, userId: string): Promise<number> {
    const [row] = await statement(
      em,
      sql<{ guess_round: number }>`select guess_round from users where id = ${userId}`,
    );
    return row?.guess_round ?? 0;
  },

  /** Makes every bucket of guesses at the account full, in every process and once the transaction has committed. */
  async beginNext(tx: EntityManager, userId: string): Promise<void> {
    await statement(tx, sql`update users set guess_round = guess_round + 1 where id = ${userId}`);
  },
};

/**
 * The subject under which a guess is counted. No username, e-mail address, id or network contains a blank, so no text of a
 * client names a bucket of a later round.
 * @param subject the account's id, or what it is called (accounts/identifier.ts)
 */
export const inRound = (subject: string, round: number): string =>
  round === 0 ? subject : `${subject} round ${round}`;
