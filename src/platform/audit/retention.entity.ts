import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/**
 * How long rows of a table are kept. The owner of the tables writes it, the login that serves only reads it: whoever
 * takes that one over cannot shorten the audit trail.
 */
@Entity({ tableName: 'retention' })
export class Retention {
  @PrimaryKey({ type: 'text' })
  tableName!: string;

  @Property({ type: 'integer' })
  days!: number;
}
