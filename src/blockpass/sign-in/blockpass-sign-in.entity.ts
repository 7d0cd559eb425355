import { type Opt, OptionalProps } from '@mikro-orm/core';
import { Entity, Enum, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../../accounts/user.entity.ts';
import { newId } from '../../platform/id.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';

export enum BlockpassSignInState {
  CREATED = 'CREATED',
  /** An app has scanned the QR code: for others it is dead. */
  PROCESSING = 'PROCESSING',
  SUCCESS = 'SUCCESS',
  FAILED = 'FAILED',
  /** Never stored: judged by the time. */
  EXPIRED = 'EXPIRED',
}

/** A sign-in by QR code, from the page that shows it to the session that it becomes. */
@Entity({ tableName: 'blockpass_sign_in' })
@Index({ name: 'blockpass_sign_in_expires_at_index', properties: ['expiresAt'] })
export class BlockpassSignIn {
  [OptionalProps]?: 'state';

  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** SHA-256 of what binds it to whoever started it. */
  @Property({ type: 'blob' })
  secretHash!: Buffer;

  /** Of Blockpass. Everybody who sees the QR code knows it: it proves nothing. */
  @Property({ type: 'text', unique: 'blockpass_sign_in_session_code_unique' })
  sessionCode!: string;

  @Enum({ items: () => BlockpassSignInState, type: 'text', default: BlockpassSignInState.CREATED })
  state: BlockpassSignInState = BlockpassSignInState.CREATED;

  /** Blockpass id of whoever scanned it first; null before that. */
  @Property({ type: 'text', nullable: true })
  takenBy: string | null = null;

  /** Whose record it is, once a call of their app ends the session; null before that. */
  @ManyToOne(() => KycRecord, {
    mapToPk: true,
    fieldName: 'record_id',
    deleteRule: 'cascade',
    nullable: true,
    index: true,
  })
  recordId: string | null = null;

  /** The account that was signed in where it was started: a newcomer is linked to it. */
  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    deleteRule: 'cascade',
    nullable: true,
    index: true,
  })
  userId: string | null = null;

  /** When it became a session: that happens once. */
  @Property({ type: 'timestamptz', nullable: true })
  consumedAt: Date | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz' })
  expiresAt!: Date;
}
