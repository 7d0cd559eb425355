import { type Opt, OptionalProps } from '@mikro-orm/core';
import { Entity, Enum, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../../accounts/user.entity.ts';
import { newId } from '../../platform/id.ts';

/** Where a record stands. The protocol knows no rejected record: what is rejected is a single item. */
export enum KycStatus {
  /** For the person or for a reviewer. */
  WAITING = 'WAITING',
  IN_REVIEW = 'IN_REVIEW',
  APPROVED = 'APPROVED',
}

/**
 * What one person handed over through Blockpass. Values, files and words about the person are sealed (kyc-vault.ts);
 * what stands here in the open says nothing about them.
 */
@Entity({ tableName: 'kyc_record' })
@Index({ name: 'kyc_record_status_index', properties: ['status', 'id'] })
export class KycRecord {
  [OptionalProps]?: 'status';

  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** Stable for a person, and another one for every service. */
  @Property({ type: 'text', unique: 'kyc_record_blockpass_id_unique' })
  blockpassId!: string;

  /** Null until the person has an account. The record goes with it. */
  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    deleteRule: 'cascade',
    nullable: true,
    unique: 'kyc_record_user_id_unique',
  })
  userId: string | null = null;

  /** When it got that account. */
  @Property({ type: 'timestamptz', nullable: true })
  linkedAt: Date | null = null;

  @Enum({ items: () => KycStatus, type: 'text', default: KycStatus.WAITING })
  status: KycStatus = KycStatus.WAITING;

  /** What the app shows above the items. */
  @Property({ type: 'blob', nullable: true })
  sealedMessage: Buffer | null = null;

  /** With which Blockpass is asked about the person. */
  @Property({ type: 'blob' })
  sealedTokens!: Buffer;

  /** When the lease ends under which one process renews these tokens; null without a lease. */
  @Property({ type: 'timestamptz', nullable: true })
  renewalUntil: Date | null = null;

  /** Root of the Merkle tree at the latest upload; null when it was not known then. */
  @Property({ type: 'blob', nullable: true })
  sealedRootHash: Buffer | null = null;

  /** Who reviews it now, or approved it. */
  @Property({ type: 'uuid', nullable: true })
  reviewerId: string | null = null;

  /** Until when an approval that is under way keeps others out. */
  @Property({ type: 'timestamptz', nullable: true })
  approvalUntil: Date | null = null;

  /** Uploads so far: a root hash that comes late counts for the upload it was asked for (review/open-evidence.ts). */
  @Property({ type: 'integer', default: 0 })
  submissions: number & Opt = 0;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz', nullable: true })
  updatedAt: Date | null = null;
}
