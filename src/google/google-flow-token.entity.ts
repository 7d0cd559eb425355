import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { GoogleClaims } from './google-claims.ts';

/** The only purpose for which a flow token is valid. */
export enum FlowTokenPurpose {
  /** The nonce of an ID token that a page or an app requests. */
  NONCE = 'NONCE',
  /** The state of a redirect flow (RFC 6749 section 10.12). */
  STATE = 'STATE',
  /** The code with which the front end fetches the result of a redirect flow. */
  RESULT = 'RESULT',
}

/** A one-time token of a Google sign-in. A row is valid until it expires, and is deleted when it is used. */
@Entity({ tableName: 'google_ticket' })
export class GoogleFlowToken {
  /** SHA-256. A fast hash is enough for 256 random bits, which cannot be guessed. */
  @PrimaryKey({ type: 'blob' })
  hash!: Buffer;

  @Enum({ items: () => FlowTokenPurpose, type: 'text' })
  purpose!: FlowTokenPurpose;

  /** SHA-256 of the secret in the cookie of the browser that the token belongs to; null for a nonce. */
  @Property({ type: 'blob', nullable: true })
  browserHash: Buffer | null = null;

  /** The claims of the ID token; only for a result. */
  @Property({ type: 'jsonb', nullable: true })
  claims: GoogleClaims | null = null;

  @Index({ name: 'google_ticket_expires_at_index' })
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
