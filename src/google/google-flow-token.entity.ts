import { Entity, Enum, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { GoogleClaims } from './google-claims.ts';

/** What a flow token is good for. It is good for nothing else. */
export enum FlowTokenPurpose {
  /** The nonce of an ID token that a page or an app asks for. */
  NONCE = 'NONCE',
  /** The state of a redirect flow (RFC 6749 section 10.12). */
  STATE = 'STATE',
  /** The code with which the frontend fetches the result of a redirect flow. */
  RESULT = 'RESULT',
}

/** Something of a Google sign-in that works once. A row that exists is good until it expires: to use it is to delete it. */
@Entity({ tableName: 'google_ticket' })
export class GoogleFlowToken {
  /** SHA-256: enough for 256 random bits, which nobody can try. */
  @PrimaryKey({ type: 'blob' })
  hash!: Buffer;

  @Enum({ items: () => FlowTokenPurpose, type: 'text' })
  purpose!: FlowTokenPurpose;

  /** SHA-256 of the secret in the cookie of the browser that it belongs to; null for a nonce. */
  @Property({ type: 'blob', nullable: true })
  browserHash: Buffer | null = null;

  /** Whom Google named; for a result. */
  @Property({ type: 'jsonb', nullable: true })
  claims: GoogleClaims | null = null;

  @Index({ name: 'google_ticket_expires_at_index' })
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
