import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { consumeSecret, hashOfSecret, newSecret } from '../platform/one-time-secret.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { IdentityProvider, ProvidedIdentity, ProviderNames } from './identity-provider.ts';

/** Seconds for the user to find a password and a phone. */
const CHALLENGE_TTL = 600;

/** A link challenge, as its client receives it. */
export interface IssuedLinkChallenge {
  readonly token: string;
  readonly expiresAt: Date;
}

/**
 * Identities that wait for the owner of an account to sign in with the challenge. An existing, unexpired row is valid:
 * a challenge is consumed or voided by deleting its row.
 */
export class LinkChallenges {
  constructor(private readonly providers: readonly IdentityProvider[]) {}

  async issue(
    tx: EntityManager,
    userId: string,
    provider: ProviderNames,
    identity: ProvidedIdentity,
  ): Promise<IssuedLinkChallenge> {
    const token = newSecret();
    const [row] = await statement(
      tx,
      sql<{ expires_at: string }>`
        insert into link_challenge (token_hash, user_id, provider, identity, expires_at)
        values (${hashOfSecret(token)}, ${userId}, ${provider.name}, ${JSON.stringify(identity)}::jsonb,
                now() + make_interval(secs => ${CHALLENGE_TTL}))
        returning expires_at`,
    );
    if (!row) throw new Error('the challenge was not written');
    return { token, expiresAt: new Date(row.expires_at) };
  }

  /**
   * Returns the hash by which a sign-in of this account names the challenge in its second step; null when it is not
   * valid.
   */
  async look(em: EntityManager, userId: string, token: string): Promise<Buffer | null> {
    const hash = hashOfSecret(token);
    const rows = await statement(
      em,
      sql`select from link_challenge
          where token_hash = ${hash} and user_id = ${userId} and expires_at > now()`,
    );
    return rows.length > 0 ? hash : null;
  }

  /**
   * Consumes the challenge by one conditional statement, and binds the identity. The caller holds the lock on the
   * account and has proved it.
   * @returns false for a challenge that is not valid for this account; nothing was changed.
   * @throws {Conflict} when the identity was bound to another account meanwhile.
   */
  async consume(tx: EntityManager, userId: string, hash: Buffer, source: RequestSource): Promise<boolean> {
    const row = await consumeSecret<{ provider: string; identity: ProvidedIdentity }>(
      tx,
      { table: 'link_challenge', column: 'token_hash', hash, condition: sql`user_id = ${userId}` },
      sql`provider, identity`,
    );
    const provider = row && this.providers.find(({ name }) => name === row.provider);
    if (!row || !provider) return false;
    await provider.identities.link(tx, userId, row.identity, source);
    return true;
  }

  async voidAll(tx: EntityManager, userId: string): Promise<void> {
    await statement(tx, sql`delete from link_challenge where user_id = ${userId}`);
  }
}

export const expiredLinkChallenges = expiredRows(
  'expired link challenges',
  'link_challenge',
  sql`expires_at < now()`,
);
