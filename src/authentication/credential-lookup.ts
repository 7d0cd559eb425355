import type { EntityManager } from '@mikro-orm/postgresql';
import { isCalled } from '../accounts/index.ts';
import type { PasswordCandidate } from '../passwords/index.ts';
import { sql, statement } from '../platform/database/index.ts';

/** The facts that a login needs about the account of an identifier. */
export interface LoginSubject {
  userId: string;
  isActive: boolean;
  /** The round of guesses at the account (guesses/guess-rounds.ts). */
  guessRound: number;
  password: PasswordCandidate;
}

/** Runs one statement for known and unknown accounts alike, so that its time tells nothing. */
export async function findByIdentifier(em: EntityManager, identifier: string): Promise<LoginSubject | null> {
  const [row] = await statement(
    em,
    sql<{
      id: string;
      is_active: boolean;
      guess_round: number;
      hash: string | null;
      pepper_id: string | null;
    }>`
      select u.id, u.deactivated_by is null as is_active, u.guess_round, c.hash, c.pepper_id
      from users u left join password_credential c on c.user_id = u.id
      where ${isCalled(identifier)}`,
  );
  if (!row) return null;
  const { id: userId, is_active: isActive, guess_round: guessRound, hash, pepper_id: pepperId } = row;
  return {
    userId,
    isActive,
    guessRound,
    password: hash === null ? null : { userId, stored: { hash, pepperId } },
  };
}
