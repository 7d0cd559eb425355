import type { Opt } from '@mikro-orm/core';
import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import type { JWK } from 'jose';

/** A key pair that signs access tokens. The private half is sealed under ENCRYPTION_KEY. */
@Entity({ tableName: 'signing_key' })
export class SigningKey {
  /** JWK thumbprint (RFC 7638) of the public half. */
  @PrimaryKey({ type: 'text' })
  kid!: string;

  @Property({ type: 'text' })
  algorithm!: string;

  @Property({ type: 'jsonb' })
  publicKey!: JWK;

  /** PKCS #8, sealed by platform/secret-box.ts. Null once the key is removed. */
  @Property({ type: 'blob', lazy: true, nullable: true })
  sealedPrivateKey: Buffer | null = null;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt!: Opt<Date>;

  /** The time from which the key signs. It is published and accepted earlier. */
  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  signsFrom!: Opt<Date>;

  /** The time when its successor starts to sign; null without a successor. */
  @Property({ type: 'timestamptz', nullable: true })
  retiresAt: Date | null = null;

  /**
   * The time from which the key is neither published nor accepted. The row stays as a record. Null without a successor.
   */
  @Property({ type: 'timestamptz', nullable: true })
  removedAfter: Date | null = null;
}
