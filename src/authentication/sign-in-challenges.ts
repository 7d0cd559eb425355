import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { consumeSecret, hashOfSecret, newSecret } from '../platform/one-time-secret.ts';

/** Seconds, enough to find the phone. */
const CHALLENGE_TTL = 300;
/** Codes per challenge. Guesses are limited by account; this ends a challenge that is being abused. */
const MAX_ATTEMPTS = 5;

/** The challenge that a client gets when its sign-in needs a second step. */
export interface IssuedChallenge {
  readonly token: string;
  readonly expiresAt: Date;
}

/** The facts of a sign-in in its second step. */
export interface PendingSignIn {
  readonly userId: string;
  /** Authentication methods of the first step. */
  readonly amr: readonly string[];
  /** Names the identity to link when the sign-in is complete (identities/link-challenges.ts). */
  readonly link: Buffer | null;
}

/**
 * The state on which a challenge depends: the password, the second factor and the epoch of the account, as one text. A
 * change of any of them voids the earlier challenges, and needs no code that knows about challenges.
 */
const accountState = sql<string>`
  concat_ws('/', u.epoch, coalesce(extract(epoch from u.second_factor_since)::text, '-'),
            coalesce(extract(epoch from c.changed_at)::text, '-'))`;

/**
 * Keeps sign-ins between their two steps. A row is valid until it expires, and is deleted when the sign-in succeeds.
 */
export class SignInChallenges {
  /** Issues a challenge. The caller holds locks on the account and on the credential of the first step. */
  async issue(tx: EntityManager, { userId, amr, link }: PendingSignIn): Promise<IssuedChallenge> {
    const token = newSecret();
    const [row] = await statement(
      tx,
      sql<{ expires_at: string }>`
        insert into sign_in_challenge (token_hash, user_id, amr, link_challenge_hash, account_state, expires_at)
        select ${hashOfSecret(token)}, u.id, ${[...amr]}::text[], ${link}::bytea, ${accountState},
               now() + make_interval(secs => ${CHALLENGE_TTL})
        from users u left join password_credential c on c.user_id = u.id where u.id = ${userId}
        returning expires_at`,
    );
    if (!row) throw new Error('the challenge was not written');
    return { token, expiresAt: new Date(row.expires_at) };
  }

  /** Counts an attempt before the code is checked. @returns null for an unknown, expired, used or void challenge. */
  async attempt(em: EntityManager, token: string): Promise<PendingSignIn | null> {
    const [row] = await statement(
      em,
      sql<{ user_id: string; amr: string[]; link: Buffer | null }>`
        update sign_in_challenge s set attempts = attempts + 1
        from users u left join password_credential c on c.user_id = u.id
        where s.token_hash = ${hashOfSecret(token)} and u.id = s.user_id
          and s.expires_at > now() and s.attempts < ${MAX_ATTEMPTS} and s.account_state = ${accountState}
        returning s.user_id, s.amr, s.link_challenge_hash as link`,
    );
    return row ? { userId: row.user_id, amr: row.amr, link: row.link } : null;
  }

  /**
   * Consumes a challenge by one conditional statement. The caller holds the lock on the account. The lock on the
   * password is taken here, so that a concurrent change of the password is waited for and then seen.
   */
  async consume(tx: EntityManager, userId: string, token: string): Promise<boolean> {
    await statement(tx, sql`select from password_credential where user_id = ${userId} for share`);
    const consumed = await consumeSecret(
      tx,
      {
        table: 'sign_in_challenge',
        column: 'token_hash',
        hash: hashOfSecret(token),
        using: sql`users u left join password_credential c on c.user_id = u.id`,
        condition: sql`u.id = ${userId} and sign_in_challenge.user_id = u.id and account_state = ${accountState}`,
      },
      sql`u.id`,
    );
    return consumed !== null;
  }
}

export const expiredChallenges = expiredRows(
  'expired sign-in challenges',
  'sign_in_challenge',
  sql`expires_at < now()`,
);
