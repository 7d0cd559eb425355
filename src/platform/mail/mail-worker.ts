import { setTimeout as delay } from 'node:timers/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from '../database/index.ts';
import { RateLimited } from '../errors.ts';
import type { EventFeed } from '../events/index.ts';
import type { RateLimiter } from '../rate-limit/index.ts';
import type { SecretBox } from '../secret-box.ts';
import { tracing } from '../telemetry/index.ts';
import { type Mail, type MailTransport, type MailWriter, type RecipientRule, Undeliverable } from './mail.ts';
import { MAIL_JOB } from './mail-outbox.ts';
import { mailboxKey } from './mailbox-key.ts';
import { mailJobs } from './metrics.ts';

/** Jobs that one process works on concurrently. */
const CONCURRENCY = 4;
/** Seconds of a lease on a job. */
const LEASE = 30;
/** Milliseconds between two renewals of the lease, since sending may take longer than the lease. */
const RENEWAL = 10_000;
/** Milliseconds between two polls of the table, for jobs whose next attempt is due and for lost wake-ups. */
const POLL = 1_000;
/** Seconds before a retry: five after the first attempt, doubling up to five minutes. */
const FIRST_RETRY = 5;
const LONGEST_RETRY = 300;
/** Hours after which an unsent mail is given up. RFC 5321 section 4.5.4.1 asks for four to five days. */
const PATIENCE = 96;
/** Milliseconds between two attempts to record that a mail was sent. */
const NOTE_RETRY = 250;
/** Milliseconds for mails in transmission at a shutdown. Then they are cut, and wait for the next worker. */
const STOP_PATIENCE = 3_000;

interface Claim {
  id: string;
  kind: string;
  sealed_facts: Buffer;
  /** Also a fencing token: a worker that lost the job to another one must no longer change it. */
  attempts: number;
  expired: boolean;
}

export interface MailWorkerLog {
  warn(message: string, facts: Record<string, unknown>): void;
}

/** The parts that `MailWorker` uses. */
export interface MailWorkerDependencies {
  readonly fork: () => EntityManager;
  readonly box: SecretBox;
  readonly feed: EventFeed;
  readonly transport: MailTransport;
  readonly writers: readonly MailWriter<never>[];
  readonly rateLimiter: RateLimiter<RecipientRule>;
  readonly log: MailWorkerLog;
}

/**
 * Sends the mails of the outbox. Every process has a worker, and a lease gives each job to one of them. A mail is sent
 * at least once. It is sent twice only if the process died before recording it, or the mail server accepted it and its
 * answer was lost.
 */
export class MailWorker {
  private readonly runs = new Set<Promise<void>>();
  private readonly cut = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private woken = false;
  private stopped = true;
  private away = false;

  constructor(private readonly deps: MailWorkerDependencies) {
    deps.feed.subscribe('mail', () => this.wake());
    mailJobs.readBy(() => this.countJobs());
  }

  start(): void {
    this.stopped = false;
    this.timer = setInterval(() => this.wake(), POLL);
    this.wake();
  }

  /** Gives mails in transmission a moment to finish. The rest waits for another worker, or the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    const cutTimer = setTimeout(() => this.cut.abort(), STOP_PATIENCE);
    await Promise.all(this.runs);
    clearTimeout(cutTimer);
    await this.deps.transport.close();
  }

  private async countJobs() {
    const [row] = await statement(
      this.deps.fork(),
      sql<{ waiting: number; retrying: number }>`
        select count(*) filter (where attempts = 0)::int as waiting, count(*) filter (where attempts > 0)::int as retrying
        from mail_job where finished_at is null`,
    );
    return [
      { value: row?.waiting ?? 0, labels: { state: 'waiting' } },
      { value: row?.retrying ?? 0, labels: { state: 'retrying' } },
    ] as const;
  }

  private wake(): void {
    this.woken = true;
    if (this.stopped || this.runs.size === CONCURRENCY) return;
    const run = this.takeJobs().finally(() => this.runs.delete(run));
    this.runs.add(run);
  }

  /** Works until no job is due. After each claim it starts another run in parallel, since more jobs may be due. */
  private async takeJobs(): Promise<void> {
    while (!this.stopped) {
      this.woken = false;
      const job = await this.claim();
      if (job) {
        this.wake();
        await tracing().span('send mail', 'root', { 'gatehouse.mail.kind': job.kind }, () => this.work(job));
      } else if (!this.woken) return;
    }
  }

  private async claim(): Promise<Claim | undefined> {
    try {
      const [job] = await statement(
        this.deps.fork(),
        sql<Claim>`
          update mail_job set due_at = now() + make_interval(secs => ${LEASE}), attempts = attempts + 1
          where id = (
            select id from mail_job where finished_at is null and due_at <= now()
            order by due_at limit 1 for update skip locked
          )
          returning id, kind, sealed_facts, attempts, created_at < now() - make_interval(hours => ${PATIENCE}) as expired`,
      );
      this.away = false;
      return job;
    } catch (error) {
      // The database is away, and a later poll retries. Logged once, instead of at every poll.
      if (!this.away) this.deps.log.warn('the mail outbox could not be read', { err: error });
      this.away = true;
      return undefined;
    }
  }

  /** Makes one attempt. Never rejects: failures are logged, without the content and recipient of the mail. */
  private async work(job: Claim): Promise<void> {
    // A failed renewal is harmless: another one follows, or the lease ends.
    const renewal = setInterval(() => void this.hold(job, LEASE).catch(() => {}), RENEWAL);
    try {
      const mail = await this.write(job);
      if (mail) await this.deps.transport.deliver(mail, job.id, this.cut.signal);
      await this.noteSent(job);
    } catch (error) {
      if (error instanceof RateLimited) await this.noteHeldBack(job, error);
      else await this.noteFailure(job, error);
    } finally {
      clearInterval(renewal);
    }
  }

  private async write({ kind, sealed_facts, attempts, expired }: Claim): Promise<Mail | null> {
    if (expired) throw new Undeliverable(`it waited for ${PATIENCE} hours`);
    const writer = this.deps.writers.find((writer) => writer.kind === kind);
    if (!writer) throw new Error(`this version writes no mail of kind ${kind}`);
    const facts = JSON.parse(this.deps.box.open(MAIL_JOB, sealed_facts).toString()) as never;
    return this.deps.fork().transactional(async (tx) => {
      const mail = await writer.write(tx, facts);
      // A refusal rolls the transaction back: the token of an unsent mail must not replace an earlier one. Further
      // attempts send the same mail, so they are not charged again.
      if (mail && attempts === 1) await this.charge(writer.limits?.(facts) ?? [], mailboxKey(mail.to));
      return mail;
    });
  }

  /**
   * Charges only for a mail that is sent: when one bucket is empty, the other charges are refunded.
   * @throws {RateLimited}
   */
  private async charge(rules: readonly RecipientRule[], mailbox: string): Promise<void> {
    for (const [index, rule] of rules.entries()) {
      try {
        await this.deps.rateLimiter.charge([rule, mailbox]);
      } catch (error) {
        for (const charged of rules.slice(0, index)) await this.deps.rateLimiter.giveBack([charged, mailbox]);
        throw error;
      }
    }
  }

  private async noteHeldBack(job: Claim, error: RateLimited): Promise<void> {
    const facts = { job: job.id, kind: job.kind, err: error };
    this.deps.log.warn('a mail was not sent: its mailbox has reached its rate limit', facts);
    await this.noteSent(job);
  }

  /** Retries until the sending is recorded, while the process lives: an unrecorded mail is sent again. */
  private async noteSent({ id, kind, attempts }: Claim): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        // Applies even when another worker holds the job by now: it is done.
        return await this.blank(id, sql`true`);
      } catch (error) {
        const facts = { job: id, kind, attempts, err: error };
        if (tries === 0) this.deps.log.warn('a mail was sent, but this could not be recorded yet', facts);
        if (this.cut.signal.aborted) return;
        await delay(NOTE_RETRY);
      }
    }
  }

  private async noteFailure(job: Claim, error: unknown): Promise<void> {
    const { id, kind, attempts } = job;
    const cut = this.cut.signal.aborted;
    const givenUp = !cut && error instanceof Undeliverable;
    const noted = givenUp
      ? this.blank(id, sql`attempts = ${attempts}`)
      : this.hold(job, cut ? 0 : retryDelay(attempts));
    // When the database is away too, the lease ends and another worker retries.
    await noted.catch(() => {});
    const facts = { job: id, kind, attempts, err: error };
    this.deps.log.warn(givenUp ? 'a mail was given up' : 'a mail could not be sent yet', facts);
  }

  /** Keeps the job from other workers for so many seconds, unless another worker has it already. */
  private async hold({ id, attempts }: Claim, seconds: number): Promise<void> {
    await statement(
      this.deps.fork(),
      sql`update mail_job set due_at = now() + make_interval(secs => ${seconds})
          where id = ${id} and attempts = ${attempts} and finished_at is null`,
    );
  }

  /** Removes all facts about people from the job. */
  private async blank(id: string, condition: RawBuilder<unknown>): Promise<void> {
    await statement(
      this.deps.fork(),
      sql`update mail_job set sealed_facts = null, finished_at = now() where id = ${id} and ${condition}`,
    );
  }
}

const retryDelay = (attempts: number): number =>
  Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(attempts - 1, 10));
