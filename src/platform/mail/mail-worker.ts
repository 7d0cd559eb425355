import { setTimeout as delay } from 'node:timers/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { RawBuilder } from 'kysely';
import { sql, statement } from '../database/index.ts';
import { RateLimited } from '../errors.ts';
import type { EventFeed } from '../events/index.ts';
import type { RateLimiter } from '../rate-limit/index.ts';
import type { SecretBox } from '../secret-box.ts';
import { type Mail, type MailTransport, type MailWriter, type RecipientRule, Undeliverable } from './mail.ts';
import { MAIL_JOB } from './mail-outbox.ts';
import { mailboxKey } from './mailbox-key.ts';

/** Jobs that one process works on at a time. */
const HANDS = 4;
/** Seconds for which a job belongs to the worker that took it. */
const LEASE = 30;
/** Milliseconds between two renewals of the lease: sending may take longer than it. */
const RENEWAL = 10_000;
/** Milliseconds between two looks at the table: for jobs whose next attempt has come, and wake-ups that were lost. */
const POLL = 1_000;
/** Seconds before the next attempt: five after the first, doubling, five minutes at most. */
const FIRST_RETRY = 5;
const LONGEST_RETRY = 300;
/** Hours after which a mail that could not be sent is given up: RFC 5321 section 4.5.4.1 asks for four to five days. */
const PATIENCE = 96;
/** Milliseconds between two attempts to note what was sent. */
const NOTE_RETRY = 250;
/** Milliseconds for what is being sent at a shutdown; then it is cut, and waits for the next worker. */
const STOP_PATIENCE = 3_000;

interface Claim {
  id: string;
  kind: string;
  sealed_facts: Buffer;
  /** Also tells this claim from a later one: who lost the job to another worker must not touch it any more. */
  attempts: number;
  expired: boolean;
}

export interface MailWorkerLog {
  warn(message: string, facts: Record<string, unknown>): void;
}

/** What `MailWorker` works with. */
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
 * Sends what the outbox holds. Every process has a worker; a job belongs to the one that claimed it, until its lease
 * is over. A mail is sent at least once, and twice only if the process died between sending it and noting that, or the
 * mail server took it and the answer was lost.
 */
export class MailWorker {
  private readonly writers: ReadonlyMap<string, MailWriter<never>>;
  private readonly hands = new Set<Promise<void>>();
  private readonly cut = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private woken = false;
  private stopped = true;
  private away = false;

  constructor(private readonly deps: MailWorkerDependencies) {
    this.writers = new Map(deps.writers.map((writer) => [writer.kind, writer]));
    deps.feed.subscribe('mail', () => this.wake());
  }

  start(): void {
    this.stopped = false;
    this.timer = setInterval(() => this.wake(), POLL);
    this.wake();
  }

  /** What is being sent gets a moment to be finished; the rest waits for another worker, or the next start. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    const impatience = setTimeout(() => this.cut.abort(), STOP_PATIENCE);
    await Promise.all(this.hands);
    clearTimeout(impatience);
    await this.deps.transport.close();
  }

  private wake(): void {
    this.woken = true;
    if (this.stopped || this.hands.size === HANDS) return;
    const hand = this.takeJobs().finally(() => this.hands.delete(hand));
    this.hands.add(hand);
  }

  /** Works until nothing is due. Whoever finds a job calls the next hand: there may be more. */
  private async takeJobs(): Promise<void> {
    while (!this.stopped) {
      this.woken = false;
      const job = await this.claim();
      if (job) {
        this.wake();
        await this.work(job);
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
      // The database is away: a later look finds it back. Said once, not with every look.
      if (!this.away) this.deps.log.warn('the mail outbox could not be read', { err: error });
      this.away = true;
      return undefined;
    }
  }

  /** One attempt. Never rejects: what goes wrong is logged, without what the mail says or whom it is for. */
  private async work(job: Claim): Promise<void> {
    // One that fails is followed by others, and by the end of the lease.
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
    const writer = this.writers.get(kind);
    if (!writer) throw new Error(`this version writes no mail of kind ${kind}`);
    const facts = JSON.parse(this.deps.box.open(MAIL_JOB, sealed_facts).toString()) as never;
    return this.deps.fork().transactional(async (tx) => {
      const mail = await writer.write(tx, facts);
      // A refusal rolls the transaction back: the token of a mail that is not sent must not replace an earlier one. The next
      // attempts at the same mail are the same mail.
      if (mail && attempts === 1) await this.charge(writer.limits?.(facts) ?? [], mailboxKey(mail.to));
      return mail;
    });
  }

  /** Only a mail that is sent counts: when one bucket is empty, the others get back what they gave. @throws {RateLimited} */
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
    this.deps.log.warn('a mail was not sent: its mailbox has had enough for now', facts);
    await this.noteSent(job);
  }

  /** Goes on until it is noted, while the process lives: a mail whose sending is forgotten is sent again. */
  private async noteSent({ id, kind, attempts }: Claim): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        // Whoever has the job by now: it is done.
        return await this.blank(id, sql`true`);
      } catch (error) {
        const facts = { job: id, kind, attempts, err: error };
        if (tries === 0) this.deps.log.warn('a mail was sent, which could not be noted yet', facts);
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
    // When the database is away too, the lease runs out and another worker tries.
    await noted.catch(() => {});
    const facts = { job: id, kind, attempts, err: error };
    this.deps.log.warn(givenUp ? 'a mail was given up' : 'a mail could not be sent yet', facts);
  }

  /** Nobody else takes the job for so many seconds, unless somebody else has it already. */
  private async hold({ id, attempts }: Claim, seconds: number): Promise<void> {
    await statement(
      this.deps.fork(),
      sql`update mail_job set due_at = now() + make_interval(secs => ${seconds})
          where id = ${id} and attempts = ${attempts} and finished_at is null`,
    );
  }

  /** What the job said about people is gone. */
  private async blank(id: string, condition: RawBuilder<unknown>): Promise<void> {
    await statement(
      this.deps.fork(),
      sql`update mail_job set sealed_facts = null, finished_at = now() where id = ${id} and ${condition}`,
    );
  }
}

const retryDelay = (attempts: number): number =>
  Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(attempts - 1, 10));
