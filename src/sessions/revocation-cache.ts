import type { EntityManager } from '@mikro-orm/postgresql';
import { isDatabaseAway, outsideDeadline } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import type { EventFeed } from '../platform/events/index.ts';
import type { Caller } from '../platform/request/index.ts';
import { single } from '../platform/telemetry/index.ts';
import type { KnownRevocations } from './lost-revocations.ts';
import { revocationAge } from './metrics.ts';
import { RevocationKind } from './revocation.entity.ts';
import { isUnrevoked } from './revocation-lookup.ts';
import { type ReadPoint, RevocationReader, type RevocationRow } from './revocation-reader.ts';

/** Milliseconds between two reads without a wake-up. */
const READ_INTERVAL = 500;
/** Milliseconds between two removals of entries that no longer matter. */
const FORGET_INTERVAL = 60_000;

/** Kinds of revocation without content: they tell readers to reread data that they hold in memory. */
export type RereadKind = RevocationKind.ROLES | RevocationKind.KEYS;

export interface RevocationCacheOptions {
  /** Age of the last successful read, in seconds, beyond which each request is checked in the database. */
  readonly maxStalenessSeconds: number;
  /**
   * Called when another database server took over, with all revocations that this process knows. While it fails, the
   * read counts as failed.
   */
  readonly onReplaced: (known: KnownRevocations) => Promise<void>;
}

/**
 * The revocations that this process knows. Every request is checked here, in memory, without a query.
 * The cache reads new rows of the table at each wake-up and every half second (revocation-reader.ts). When reads fail
 * for longer than the allowed staleness, each request queries the database instead. When that fails too, the request is
 * refused.
 */
export class RevocationCache {
  private readonly endedSessions = new Map<string, number>();
  private readonly firstGoodEpochs = new Map<string, { epoch: number; until: number }>();
  private readonly listeners: Array<{ kind: RereadKind; reread: () => Promise<void> }> = [];
  private readonly reader: RevocationReader;
  private point: ReadPoint | null = null;
  /** The last read failure that was logged, so that only transitions are logged. */
  private failure: string | undefined;
  /** In the time of performance.now(), a monotonic clock, since the wall clock may jump. */
  private readAt = Number.NEGATIVE_INFINITY;
  private forgottenAt = performance.now();
  private reading: Promise<void> | undefined;
  private queued: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;

  /** @param fork gives an EntityManager for reads in the background */
  constructor(
    fork: () => EntityManager,
    feed: EventFeed,
    private readonly options: RevocationCacheOptions,
    private readonly log: (message: string, error?: unknown) => void,
  ) {
    this.reader = new RevocationReader(fork);
    revocationAge.readBy(() => single((performance.now() - this.readAt) / 1_000));
    feed.subscribe('endings', () => void this.catchUp());
  }

  /**
   * Loads all revocations that matter now.
   * @throws when the database cannot be read: a process without knowledge of revocations must not serve.
   */
  async start(): Promise<void> {
    await this.read();
    this.timer = setInterval(() => void this.catchUp(), READ_INTERVAL);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.queued;
    await this.reading;
  }

  /**
   * Registers `reread`, which runs after a change of this kind in any process, and whenever changes may have been
   * missed. While it fails, this process counts as unable to read revocations.
   */
  onChanged(kind: RereadKind, reread: () => Promise<void>): void {
    this.listeners.push({ kind, reread });
  }

  /** Adds revocations that this process has committed itself. */
  learn(rows: readonly RevocationRow[]): void {
    for (const row of rows) this.keep(row);
  }

  /** Resolves once everything committed before the call is known here, or the read failed and was logged. */
  catchUp(): Promise<void> {
    if (!this.reading) {
      // Several callers may wait for this read, so it must not end with the deadline of the first.
      this.reading = outsideDeadline(() => this.readLogged()).finally(() => {
        this.reading = undefined;
      });
      return this.reading;
    }
    // The running read may have begun too early for this caller. One more read follows, for all callers that wait.
    this.queued ??= this.reading.then(() => {
      this.queued = undefined;
      return this.catchUp();
    });
    return this.queued;
  }

  /**
   * Whether an access token must be refused although it is genuine and unexpired.
   * @throws {ServiceUnavailable} when neither memory nor the database can tell.
   */
  async isVoid(caller: Caller, em: () => EntityManager): Promise<boolean> {
    if (this.endedSessions.has(caller.sessionId)) return true;
    const firstGood = this.firstGoodEpochs.get(caller.userId);
    if (firstGood && caller.epoch < firstGood.epoch) return true;
    if (performance.now() - this.readAt <= this.options.maxStalenessSeconds * 1000) return false;
    return this.isVoidInDatabase(caller, em());
  }

  private async isVoidInDatabase(caller: Caller, em: EntityManager): Promise<boolean> {
    try {
      return !(await isUnrevoked(em, caller));
    } catch (cause) {
      throw new ServiceUnavailable({ detail: 'revocations cannot be read', cause });
    }
  }

  private async readLogged(): Promise<void> {
    try {
      await this.read();
      if (this.failure !== undefined) this.log('revocations are read again');
      this.failure = undefined;
    } catch (error) {
      const failure = isDatabaseAway(error)
        ? 'revocations cannot be read: the database is away'
        : 'revocations cannot be read';
      if (failure !== this.failure) this.log(failure, error);
      this.failure = failure;
    }
  }

  private async read(): Promise<void> {
    const startedAt = performance.now();
    const kinds = new Set<RevocationKind>();
    const { point, complete, replaced } = await this.reader.read(this.point, (row) => {
      kinds.add(row.kind);
      this.keep(row);
    });
    if (replaced) await this.options.onReplaced(this.known());
    // After a gap too: a revocation may have ceased to matter before this process saw it.
    const missed = complete || startedAt - this.readAt > this.options.maxStalenessSeconds * 1000;
    const due = this.listeners.filter(({ kind }) => missed || kinds.has(kind));
    await Promise.all(due.map(({ reread }) => reread()));
    // Only now: a read that failed before this line is repeated from the same point.
    this.point = point;
    this.readAt = startedAt;
    this.forget();
  }

  private keep(row: RevocationRow): void {
    const until = performance.now() + row.matters_for;
    if (row.kind === RevocationKind.SESSION && row.session_id !== null)
      this.endedSessions.set(row.session_id, until);
    if (row.kind === RevocationKind.EPOCH && row.user_id !== null && row.epoch !== null) {
      const known = this.firstGoodEpochs.get(row.user_id);
      const epoch = Math.max(row.epoch, known?.epoch ?? 0);
      this.firstGoodEpochs.set(row.user_id, { epoch, until: Math.max(until, known?.until ?? 0) });
    }
  }

  private known(): KnownRevocations {
    const now = performance.now();
    const secondsFrom = (until: number) => Math.max(0, until - now) / 1000;
    return {
      sessions: [...this.endedSessions].map(([id, until]) => ({ id, mattersForSeconds: secondsFrom(until) })),
      epochs: [...this.firstGoodEpochs].map(([userId, { epoch, until }]) => ({
        userId,
        epoch,
        mattersForSeconds: secondsFrom(until),
      })),
    };
  }

  private forget(): void {
    const now = performance.now();
    if (now - this.forgottenAt < FORGET_INTERVAL) return;
    this.forgottenAt = now;
    for (const [sessionId, until] of this.endedSessions)
      if (until < now) this.endedSessions.delete(sessionId);
    for (const [userId, { until }] of this.firstGoodEpochs)
      if (until < now) this.firstGoodEpochs.delete(userId);
  }
}
