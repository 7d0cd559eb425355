import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { consumeSecret, hashOfSecret, newSecret } from '../platform/one-time-secret.ts';
import type { GoogleClaims } from './google-claims.ts';
import { FlowTokenPurpose } from './google-flow-token.entity.ts';

/** In seconds. */
export const FLOW_TOKEN_TTL: Readonly<Record<FlowTokenPurpose, number>> = {
  // Enough to type a password at Google and find a phone.
  [FlowTokenPurpose.NONCE]: 600,
  [FlowTokenPurpose.STATE]: 600,
  // Enough for a page to load.
  [FlowTokenPurpose.RESULT]: 120,
};

export interface IssuedFlowToken {
  readonly token: string;
  readonly expiresAt: Date;
}

/**
 * Issues and consumes the one-time tokens of Google sign-ins. They are random, stored as a hash, and expire by the
 * clock of the database.
 */
export class GoogleFlowTokens {
  /** @param browser the secret in the cookie of the browser that the flow token belongs to */
  async issue(
    em: EntityManager,
    purpose: FlowTokenPurpose,
    { browser = null, claims = null }: { browser?: string | null; claims?: GoogleClaims | null } = {},
  ): Promise<IssuedFlowToken> {
    const token = newSecret();
    const [row] = await statement(
      em,
      sql<{ expires_at: string }>`
        insert into google_ticket (hash, purpose, browser_hash, claims, expires_at)
        values (${hashOfSecret(token)}, ${purpose}, ${browser === null ? null : hashOfSecret(browser)},
                ${claims === null ? null : JSON.stringify(claims)}::jsonb,
                now() + make_interval(secs => ${FLOW_TOKEN_TTL[purpose]}))
        returning expires_at`,
    );
    if (!row) throw new Error('the flow token was not written');
    return { token, expiresAt: new Date(row.expires_at) };
  }

  /**
   * Consumes a flow token by one conditional statement, so that only one of several concurrent attempts gets it. An
   * attempt by another browser fails and does not consume it.
   */
  async consume(
    em: EntityManager,
    purpose: FlowTokenPurpose,
    token: string,
    browser: string | null = null,
  ): Promise<{ claims: GoogleClaims | null } | null> {
    const browserHash = browser === null ? null : hashOfSecret(browser);
    return consumeSecret(
      em,
      {
        table: 'google_ticket',
        column: 'hash',
        hash: hashOfSecret(token),
        condition: sql`purpose = ${purpose} and browser_hash is not distinct from ${browserHash}::bytea`,
      },
      sql`claims`,
    );
  }
}

export const expiredGoogleFlowTokens = expiredRows(
  'expired Google flow tokens',
  'google_ticket',
  sql`expires_at < now()`,
);
