import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from '../database/index.ts';
import type { EventFeed } from '../events/index.ts';
import { expiredRows } from '../housekeeping/expired-rows.ts';
import { newId } from '../id.ts';
import type { SecretBox } from '../secret-box.ts';
import type { MailWriter } from './mail.ts';
import { MailJob } from './mail-job.entity.ts';

/** Purpose under which the facts of a job are sealed. */
export const MAIL_JOB = 'mail job';

/** The outbox. A change writes its mails here, in its own transaction; the mail worker sends them. */
export class MailOutbox {
  constructor(
    private readonly box: SecretBox,
    private readonly feed: EventFeed,
  ) {}

  /**
   * Inserts one job in the transaction of the change. The cost is the same whether or not there is a recipient: only
   * the writer finds that out, later.
   */
  async put<Facts>(
    tx: EntityManager,
    { kind }: Pick<MailWriter<Facts>, 'kind'>,
    facts: Facts,
  ): Promise<void> {
    const sealedFacts = this.box.seal(MAIL_JOB, Buffer.from(JSON.stringify(facts)));
    await tx.insert(MailJob, { id: newId(), kind, sealedFacts });
    await this.feed.announce(tx, 'mail');
  }
}

const KEPT_DAYS = 7;

/** Removes blanked jobs, which only say that a mail of some kind was sent, and jobs that no worker took. */
export const oldMailJobs = expiredRows(
  'old mail jobs',
  'mail_job',
  sql`coalesce(finished_at, due_at) < now() - make_interval(days => ${KEPT_DAYS})`,
);
