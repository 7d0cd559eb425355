import { type Opt, OptionalProps } from '@mikro-orm/core';
import { Entity, Enum, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../../accounts/user.entity.ts';
import { newId } from '../../platform/id.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';

export enum BlockpassSignInState {
  CREATED = 'CREATED',
  /** An app has scanned the QR code, so it no longer works for others. */
  PROCESSING = 'PROCESSING',
  SUCCESS = 'SUCCESS',
  FAILED = 'FAILED',
  /** Never stored: it is computed from the time. */
  EXPIRED = 'EXPIRED',
}

/** A sign-in by QR code, from the page that shows the code to the session. */
@Entity({ tableName: 'blockpass_sign_in' })
@Index({ name: 'blockpass_sign_in_expires_at_index', properties: ['expiresAt'] })
export class BlockpassSignIn {
  [OptionalProps]?: 'state';

  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** SHA-256 of the secret that binds it to the browser or client that started it. */
  @Property({ type: 'blob' })
  secretHash!: Buffer;

  /** The session code from Blockpass. Everyone who sees the QR code knows it, so it proves nothing. */
  @Property({ type: 'text', unique: 'blockpass_sign_in_session_code_unique' })
  sessionCode!: string;

  @Enum({ items: () => BlockpassSignInState, type: 'text', default: BlockpassSignInState.CREATED })
  state: BlockpassSignInState = BlockpassSignInState.CREATED;

  /** Blockpass id of the person who scanned it first; null before that. */
  @Property({ type: 'text', nullable: true })
  takenBy: string | null = null;

  /** The record of that person, after a call of their app completes the session; null before that. */
  @ManyToOne(() => KycRecord, {
    mapToPk: true,
    fieldName: 'record_id',
    deleteRule: 'cascade',
    nullable: true,
    index: true,
  })
  recordId: string | null = null;

  /** The account that was signed in at the start. A new Blockpass identity is linked to it. */
  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    deleteRule: 'cascade',
    nullable: true,
    index: true,
  })
  userId: string | null = null;

  /** When it became a session, which happens only once. */
  @Property({ type: 'timestamptz', nullable: true })
  consumedAt: Date | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
