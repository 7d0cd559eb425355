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

  /** PKCS #8, sealed by platform/secret-box.ts. */
  @Property({ type: 'blob', lazy: true })
  sealedPrivateKey!: Buffer;

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt!: Opt<Date>;
}
