import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** Proof, for one secret setting, that a process holds the key that this database was written with. */
@Entity({ tableName: 'key_check' })
export class KeyCheck {
  /** Name of the setting. */
  @PrimaryKey({ type: 'text' })
  setting!: string;

  @PrimaryKey({ type: 'text' })
  keyId!: string;

  /** HMAC of a constant under the key. */
  @Property({ type: 'blob' })
  proof!: Buffer;
}
