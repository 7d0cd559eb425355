import type { Opt } from '@mikro-orm/core';
import { Entity, Index, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { newId } from '../id.ts';

/** A mail that a transaction caused. The row is written in that transaction, so that both commit together. */
@Entity({ tableName: 'mail_job' })
@Index({ name: 'mail_job_finished_at_due_at_index', properties: ['finishedAt', 'dueAt'] })
export class MailJob {
  @PrimaryKey({ type: 'uuid' })
  id: string & Opt = newId();

  @Property({ type: 'text' })
  kind!: string;

  /** The facts that its writer needs, encrypted since they name people. Null once the mail was sent or given up. */
  @Property({ type: 'blob', nullable: true })
  sealedFacts: Buffer | null = null;

  @Property({ type: 'integer', default: 0 })
  attempts: number & Opt = 0;

  /** Time of the next attempt. While a worker holds the job: the end of its lease. */
  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  dueAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz', defaultRaw: 'now()' })
  createdAt: Date & Opt = new Date();

  @Property({ type: 'timestamptz', nullable: true })
  finishedAt: Date | null = null;
}
