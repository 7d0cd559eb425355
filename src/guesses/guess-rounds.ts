import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';

/**
 * Counts the round of guesses in the row of the account. Every bucket that counts guesses at the account has the round
 * in its name (`inRound`). So the buckets of a new round do not exist yet, and an absent bucket is full.
 *
 * The round is needed because the buckets of an account cannot be listed. Their keys also name networks, devices and
 * sessions. Redis stores only hashes of the keys, and without Redis the buckets are in the memory of each process.
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

  /** Refills every bucket of guesses at the account, in every process, when the transaction commits. */
  async beginNext(tx: EntityManager, userId: string): Promise<void> {
    await statement(tx, sql`update users set guess_round = guess_round + 1 where id = ${userId}`);
  },
};

/**
 * The subject under which a guess is counted. No username, e-mail address, id or network contains a blank, so a
 * client's text cannot name a bucket of a later round.
 * @param subject the id of the account, or its username or address (accounts/identifier.ts)
 */
export const inRound = (subject: string, round: number): string =>
  round === 0 ? subject : `${subject} round ${round}`;
