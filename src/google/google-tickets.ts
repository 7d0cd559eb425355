import { createHash, randomBytes } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { expiredRows } from '../platform/housekeeping/expired-rows.ts';
import type { GoogleClaims } from './google-claims.ts';
import { TicketPurpose } from './google-ticket.entity.ts';

const BYTES = 32;

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
        values (${hashOf(token)}, ${purpose}, ${browser === null ? null : hashOf(browser)},
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
    const [row] = await statement(
      em,
      sql<{ claims: GoogleClaims | null }>`
        delete from google_ticket
        where hash = ${hashOf(token)} and purpose = ${purpose} and expires_at > now()
          and browser_hash is not distinct from ${browser === null ? null : hashOf(browser)}::bytea
        returning claims`,
    );
    return row ?? null;
  }
}

export const newSecret = (): string => randomBytes(BYTES).toString('base64url');

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

export const expiredGoogleTickets = expiredRows(
  'expired Google tickets',
  'google_ticket',
  sql`expires_at < now()`,
);
