import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { outsideDeadline } from '../platform/database/index.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { Revocations } from './revocations.ts';
import type { SessionRecord, SessionStore } from './session-store.ts';

/** Milliseconds between two attempts. */
const EVERY = 1_000;
/** Milliseconds after which the attempts end, and the session is left to its expiry. */
const GIVE_UP_AFTER = 3_600_000;
/** Sessions that may wait. The gateway does not end further sessions; they expire. */
const MAX_WAITING = 1_000;

interface Unclaimed {
  readonly session: SessionRecord;
  readonly source: RequestSource;
  /** In the time of `performance.now()`. */
  readonly giveUpAt: number;
}

/** The parts that `UnclaimedSessions` uses. */
export interface UnclaimedSessionsDependencies {
  readonly fork: () => EntityManager;
  readonly store: SessionStore;
  readonly revocations: Revocations;
  readonly audit: AuditLog;
  readonly warn: (message: string, error?: unknown) => void;
}

/**
 * Ends sessions whose tokens never reached a client, because the answer to the COMMIT of the sign-in was lost and its
 * outcome is unknown. It retries in the background until the database answers. Waiting sessions are lost with the
 * process, and then expire like any other.
 */
export class UnclaimedSessions {
  /** By session. The first one is tried next. */
  private readonly waiting = new Map<string, Unclaimed>();
  private timer: NodeJS.Timeout | undefined;
  private ending: Promise<void> | undefined;
  private stopped = false;

  /** @param fork gives an EntityManager for writes in the background */
  constructor(private readonly deps: UnclaimedSessionsDependencies) {}

  /** Returns at once. @param source of the sign-in, for the audit trail */
  end(session: SessionRecord, source: RequestSource): void {
    if (this.stopped || this.waiting.size >= MAX_WAITING) return;
    this.waiting.set(session.id, { session, source, giveUpAt: performance.now() + GIVE_UP_AFTER });
    this.schedule();
  }

  /** Drops the sessions that still wait: a stop must not wait for a database that is away. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    this.waiting.clear();
    await this.ending;
  }

  private schedule(): void {
    if (this.timer || this.ending || this.stopped || this.waiting.size === 0) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      // Outside the deadline of the sign-in, which the timer carries.
      this.ending = outsideDeadline(() => this.endWaiting()).finally(() => {
        this.ending = undefined;
        this.schedule();
      });
    }, EVERY);
    this.timer.unref();
  }

  /** Stops at the first failure. The session that failed is tried last the next time. */
  private async endWaiting(): Promise<void> {
    for (const [id, unclaimed] of this.waiting) {
      this.waiting.delete(id);
      try {
        await this.endNow(unclaimed);
      } catch (error) {
        if (performance.now() > unclaimed.giveUpAt) {
          this.deps.warn(
            'a session that no client received was not ended, and lives until it expires',
            error,
          );
        } else if (!this.stopped) this.waiting.set(id, unclaimed);
        return;
      }
    }
  }

  /**
   * Writes the revocation even when no session is found. Its COMMIT may still wait for a standby and take effect later,
   * and a session with a revocation never lives.
   */
  private async endNow({ session, source }: Unclaimed): Promise<void> {
    const { id, userId } = session;
    await this.deps.revocations.transactional(this.deps.fork(), async (tx) => {
      const removed = await this.deps.store.remove(tx, userId, id, { known: true });
      const ended = removed ? [removed] : await this.deps.revocations.endSessions(tx, [session]);
      if (ended.length === 0) return;
      await this.deps.audit.record(tx, source, {
        action: 'session.ended',
        actorId: null,
        subjectId: userId,
        details: { sessionId: id, reason: 'unclaimed' },
      });
    });
  }
}
