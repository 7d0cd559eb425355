import { Entity, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';

/**
 * The time for which rows of a table are kept. The owner of the tables writes it, and the serving login only reads it:
 * a thief of that login cannot shorten the audit trail.
 */
@Entity({ tableName: 'retention' })
export class Retention {
  @PrimaryKey({ type: 'text' })
  tableName!: string;

  @Property({ type: 'integer' })
  days!: number;
}
