import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import { consumeSecret, hashOfSecret, newSecret } from '../platform/one-time-secret.ts';
import type { GoogleClaims } from './google-claims.ts';
import { TicketPurpose } from './google-ticket.entity.ts';

/** Seconds. */
export const TICKET_TTL: Readonly<Record<TicketPurpose, number>> = {
  // For typing a password at Google and finding a phone.
  [TicketPurpose.NONCE]: 600,
  [TicketPurpose.STATE]: 600,
  // For a page to load.
  [TicketPurpose.RESULT]: 120,
};

export interface IssuedTicket {
  readonly token: string;
  readonly expiresAt: Date;
}

/** What of a Google sign-in works once: random, kept as a hash, expiring by the database's clock. */
export class GoogleTickets {
  /** @param browser the secret in the cookie of the browser that the ticket is for */
  async issue(
    em: EntityManager,
    purpose: TicketPurpose,
    { browser = null, claims = null }: { browser?: string | null; claims?: GoogleClaims | null } = {},
  ): Promise<IssuedTicket> {
    const token = newSecret();
    const [row] = await statement(
      em,
      sql<{ expires_at: string }>`
        insert into google_ticket (hash, purpose, browser_hash, claims, expires_at)
        values (${hashOfSecret(token)}, ${purpose}, ${browser === null ? null : hashOfSecret(browser)},
                ${claims === null ? null : JSON.stringify(claims)}::jsonb,
                now() + make_interval(secs => ${TICKET_TTL[purpose]}))
        returning expires_at`,
    );
    if (!row) throw new Error('the ticket was not written');
    return { token, expiresAt: new Date(row.expires_at) };
  }

  /**
   * Uses a ticket up, by one conditional statement: of any number of attempts at once, one gets it. Another browser
   * neither gets it nor uses it up.
   */
  async consume(
    em: EntityManager,
    purpose: TicketPurpose,
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

export const expiredGoogleTickets = expiredRows(
  'expired Google tickets',
  'google_ticket',
  sql`expires_at < now()`,
);
