import { type Opt, OptionalProps } from '@mikro-orm/core';
import { Entity, Enum, Index, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { User } from '../../accounts/user.entity.ts';
import { newId } from '../../platform/id.ts';

/** The status of a record. The protocol has no rejected records: only single items are rejected. */
export enum KycStatus {
  /** Waits for the person or for a reviewer. */
  WAITING = 'WAITING',
  IN_REVIEW = 'IN_REVIEW',
  APPROVED = 'APPROVED',
}

/**
 * The data that one person gave through Blockpass. Values, files and texts about the person are sealed (kyc-vault.ts).
 * The unsealed columns say nothing about the person.
 */
@Entity({ tableName: 'kyc_record' })
@Index({ name: 'kyc_record_status_index', properties: ['status', 'id'] })
export class KycRecord {
  [OptionalProps]?: 'status';

  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  /** Stable for a person, and different for each service. */
  @Property({ type: 'text', unique: 'kyc_record_blockpass_id_unique' })
  blockpassId!: string;

  /** Null until the person has an account. The record is deleted with the account. */
  @ManyToOne(() => User, {
    mapToPk: true,
    fieldName: 'user_id',
    deleteRule: 'cascade',
    nullable: true,
    unique: 'kyc_record_user_id_unique',
  })
  userId: string | null = null;

  /** When the record was linked to that account. */
  @Property({ type: 'timestamptz', nullable: true })
  linkedAt: Date | null = null;

  @Enum({ items: () => KycStatus, type: 'text', default: KycStatus.WAITING })
  status: KycStatus = KycStatus.WAITING;

  /** The text that the app shows above the items. */
  @Property({ type: 'blob', nullable: true })
  sealedMessage: Buffer | null = null;

  /** The tokens for calls of Blockpass about the person. */
  @Property({ type: 'blob' })
  sealedTokens!: Buffer;

  /** When the lease expires with which one process renews these tokens; null without a lease. */
  @Property({ type: 'timestamptz', nullable: true })
  renewalUntil: Date | null = null;

  /** Root of the Merkle tree at the latest upload; null when it was unknown then. */
  @Property({ type: 'blob', nullable: true })
  sealedRootHash: Buffer | null = null;

  /** The account that reviews the record now, or approved it. */
  @Property({ type: 'uuid', nullable: true })
  reviewerId: string | null = null;

  /** When the claim of a running approval expires, which keeps other approvals out. */
  @Property({ type: 'timestamptz', nullable: true })
  approvalUntil: Date | null = null;

  /**
   * Number of uploads. A root hash that arrives late counts only for the upload for which it was requested
   * (review/open-evidence.ts).
   */
  @Property({ type: 'integer', default: 0 })
  submissions: number & Opt = 0;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz', nullable: true })
  updatedAt: Date | null = null;
}
