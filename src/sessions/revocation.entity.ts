import type { Opt } from '@mikro-orm/core';
import { Entity, Enum, Index, PrimaryKey, Property, Unique } from '@mikro-orm/decorators/legacy';

export enum RevocationKind {
  /** The session is over. */
  SESSION = 'SESSION',
  /** Access tokens of the user with a smaller epoch are void. */
  EPOCH = 'EPOCH',
  /** Permissions of a role changed: reread them. */
  ROLES = 'ROLES',
  /** Signing keys were made, replaced or voided: reread them. */
  KEYS = 'KEYS',
}

/**
 * The durable record of what ended, written in the transaction of the change and never altered. It has no foreign keys,
 * since it must outlive the rows that it names.
 */
@Entity({ tableName: 'ending' })
export class Revocation {
  @PrimaryKey({ type: 'bigint', autoincrement: true })
  id!: Opt<string>;

  @Enum({ items: () => RevocationKind, type: 'text' })
  kind!: RevocationKind;

  /** Unique, so that of several concurrent calls only one ends the session: the call that inserts the row. */
  @Unique({ name: 'ending_session_id_unique' })
  @Property({ type: 'uuid', nullable: true })
  sessionId: string | null = null;

  @Property({ type: 'uuid', nullable: true })
  userId: string | null = null;

  /** For EPOCH: the first epoch that is valid. */
  @Property({ type: 'integer', nullable: true })
  epoch: number | null = null;

  /**
   * The latest expiry of an access token that this revocation could affect. Readers keep the revocation in memory until
   * then.
   */
  @Index({ name: 'ending_matters_until_index' })
  @Property({ type: 'timestamptz' })
  mattersUntil!: Date;

  /** The time after which no old copy of the session store could bring the session back. */
  @Index({ name: 'ending_kept_until_index' })
  @Property({ type: 'timestamptz' })
  keptUntil!: Date;

  /**
   * The writing transaction. Readers resume from the oldest transaction that still ran, so a late commit is not missed.
   */
  @Index({ name: 'ending_written_by_index' })
  @Property({ columnType: 'xid8', type: 'string', defaultRaw: 'pg_current_xact_id()' })
  writtenBy!: Opt<string>;
}
