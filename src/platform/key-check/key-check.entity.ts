import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/** A proof, for one secret setting, that a process holds the key with which this database was written. */
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
