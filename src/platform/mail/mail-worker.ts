import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../database/index.ts';
import type { EventFeed } from '../events/index.ts';
import type { SecretBox } from '../secret-box.ts';
import { type MailTransport, type MailWriter, Undeliverable } from './mail.ts';
import { MAIL_JOB } from './mail-outbox.ts';

/** Jobs that one process works on at a time. */
const CONCURRENCY = 4;
/** Seconds for which a job belongs to the worker that took it: more than sending can take (smtp-transport.ts). */
const LEASE = 30;
/** Milliseconds between two looks at the table: for jobs whose next attempt has come, and wake-ups that were lost. */
const POLL = 1_000;
/** Seconds before the next attempt: five after the first, doubling, five minutes at most. */
const FIRST_RETRY = 5;
const LONGEST_RETRY = 300;
/** Hours after which a mail that cannot be sent is given up: RFC 5321 section 4.5.4.1 asks for four to five days. */
const PATIENCE = 96;

interface Claim {
  id: string;
  kind: string;
  sealed_facts: Buffer;
  attempts: number;
  expired: boolean;
}

export interface MailWorkerLog {
  warn(message: string, facts: Record<string, unknown>): void;
}

/**
 * Sends what the outbox holds. Every process has a worker; a job belongs to the one that claimed it, until its lease
 * is over. A mail is sent at least once, and twice only if the process died between sending it and noting that.
 */
export class MailWorker {
  private readonly writers: ReadonlyMap<string, MailWriter<never>>;
  private readonly sending = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private filling = false;
  private again = false;
  private stopped = true;
  private away = false;

  constructor(
    private readonly fork: () => EntityManager,
    private readonly box: SecretBox,
    feed: EventFeed,
    private readonly transport: MailTransport,
    writers: readonly MailWriter<never>[],
    private readonly log: MailWorkerLog,
  ) {
    this.writers = new Map(writers.map((writer) => [writer.kind, writer]));
    feed.subscribe('mail', () => void this.fill());
  }

  start(): void {
    this.stopped = false;
    this.timer = setInterval(() => void this.fill(), POLL);
    void this.fill();
  }

  /** What is being sent is finished; the rest waits for the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await Promise.all(this.sending);
    await this.transport.close();
  }

  /** Claims jobs until all hands are full or nothing is due. A call during another one makes that look again. */
  private async fill(): Promise<void> {
    this.again = true;
    if (this.filling) return;
    this.filling = true;
    try {
      while (this.again && !this.stopped) {
        this.again = false;
        while (!this.stopped && this.sending.size < CONCURRENCY) {
          const job = await this.claim();
          this.away = false;
          if (!job) break;
          const work = this.work(job).finally(() => {
            this.sending.delete(work);
            void this.fill();
          });
          this.sending.add(work);
        }
      }
    } catch (error) {
      // The database is away: the next look finds it back. Said once, not with every look.
      if (!this.away) this.log.warn('the mail outbox could not be read', { err: error });
      this.away = true;
    } finally {
      this.filling = false;
    }
  }

  private async claim(): Promise<Claim | undefined> {
    const [job] = await statement(
      this.fork(),
      sql<Claim>`
        update mail_job set due_at = now() + make_interval(secs => ${LEASE}), attempts = attempts + 1
        where id = (
          select id from mail_job where finished_at is null and due_at <= now()
          order by due_at limit 1 for update skip locked
        )
        returning id, kind, sealed_facts, attempts, created_at < now() - make_interval(hours => ${PATIENCE}) as expired`,
    );
    return job;
  }

  /** One attempt. Never rejects: what goes wrong is logged, without what the mail says or whom it is for. */
  private async work({ id, kind, sealed_facts: sealed, attempts, expired }: Claim): Promise<void> {
    try {
      const writer = this.writers.get(kind);
      if (!writer) throw new Error(`this version writes no mail of kind ${kind}`);
      const facts = JSON.parse(this.box.open(MAIL_JOB, sealed).toString()) as never;
      const mail = await this.fork().transactional((tx) => writer.write(tx, facts));
      if (mail) await this.transport.deliver(mail, id);
      await this.finish(id);
    } catch (error) {
      const giveUp = expired || error instanceof Undeliverable;
      this.log.warn(giveUp ? 'a mail was given up' : 'a mail could not be sent yet', {
        job: id,
        kind,
        attempts,
        err: error,
      });
      // When the database is away too, the lease runs out and another worker tries.
      await (giveUp ? this.finish(id) : this.postpone(id, attempts)).catch(() => {});
    }
  }

  /** Blanks the job: what it said about people is gone. */
  private async finish(id: string): Promise<void> {
    await statement(
      this.fork(),
      sql`update mail_job set sealed_facts = null, finished_at = now() where id = ${id}`,
    );
  }

  private async postpone(id: string, attempts: number): Promise<void> {
    const seconds = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(attempts - 1, 10));
    await statement(
      this.fork(),
      sql`update mail_job set due_at = now() + make_interval(secs => ${seconds})
          where id = ${id} and finished_at is null`,
    );
  }
}
