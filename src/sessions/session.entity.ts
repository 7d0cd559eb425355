import type { Opt } from '@mikro-orm/core';
import { Entity, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../accounts/user.entity.ts';
import { newId } from '../platform/id.ts';

/** An active session: the unit that a user lists and revokes. A session that ended has no row. */
@Entity({ tableName: 'session' })
export class Session {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  @ManyToOne(() => User, { mapToPk: true, fieldName: 'user_id', deleteRule: 'cascade', index: true })
  userId!: string;

  /** Generation of the current refresh token. A thief of the database holds no part of a token. */
  @Property({ type: 'integer', default: 0 })
  generation: number & Opt = 0;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  rotatedAt!: Date & Opt;

  /** The refresh contract's notes on the last rotations (refresh-contract.ts), or null. */
  @Property({ type: 'jsonb', nullable: true })
  refreshNotes: Readonly<Record<string, unknown>> | null = null;

  /** The latest generation with an access token that was used at the gateway; null when none was noted. */
  @Property({ type: 'integer', nullable: true })
  seenGeneration: number | null = null;

  /** When the holder last proved who they are (`auth_time`, OpenID Connect Core section 2). */
  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  authenticatedAt!: Date & Opt;

  /** Authentication methods (RFC 8176), and beside them `recovery` and the methods of identity providers. */
  @Property({ type: 'text[]' })
  amr!: string[];

  /** Authenticator assurance level (NIST SP 800-63B section 2). */
  @Property({ type: 'smallint' })
  aal!: number;

  @Property({ type: 'text', nullable: true })
  userAgent: string | null = null;

  @Property({ type: 'text', nullable: true })
  ipAddress: string | null = null;

  /** Thumbprint (RFC 7638) of the key that the session is bound to for its life (RFC 9449), or null. */
  @Property({ type: 'text', nullable: true })
  dpopJkt: string | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt!: Date & Opt;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  lastUsedAt!: Date & Opt;

  /** Absolute: rotation never moves it. */
  @Index({ name: 'session_expires_at_index' })
  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
