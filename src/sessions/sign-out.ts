import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { NotFound } from '../platform/errors.ts';
import { isId } from '../platform/id.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { AccessTokens } from './access-token.ts';
import type { RefreshTokens } from './refresh-token.ts';
import type { AnnouncedTransaction, Revocations } from './revocations.ts';
import type { EndedSession, SessionReference, SessionStore } from './session-store.ts';

/** The parts that `SignOut` uses. */
export interface SignOutDependencies {
  readonly store: SessionStore;
  readonly revocations: Revocations;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  readonly audit: AuditLog;
}

/** Ends sessions. Revocation is always the safe direction, so it requires no recent authentication. */
export class SignOut {
  constructor(private readonly deps: SignOutDependencies) {}

  /** Ends every session that one of the tokens names, even when the token itself has expired or was rotated. */
  async byTokens(
    em: EntityManager,
    { access, refresh }: { readonly access?: string | undefined; readonly refresh?: string | undefined },
    source: RequestSource,
  ): Promise<void> {
    const named = [
      access === undefined ? null : await this.deps.accessTokens.verifyIgnoringExpiry(access),
      refresh === undefined ? null : this.deps.refreshTokens.read(refresh),
    ].filter((reference) => reference !== null);
    if (named.length === 0) return;
    await this.deps.revocations.transactional(em, async (tx) => {
      for (const { userId, sessionId } of named) {
        const ended = await this.deps.store.remove(tx, userId, sessionId, { known: true });
        await this.record(tx, ended ? [ended] : [], userId, source);
      }
    });
  }

  /** @throws {NotFound} for a session that is not the caller's, as for one that does not exist. */
  async byId(
    em: EntityManager,
    { userId, sessionId }: SessionReference,
    source: RequestSource,
  ): Promise<void> {
    const ended = await this.deps.revocations.transactional(em, (tx) =>
      this.oneIn(tx, { userId, sessionId }, source),
    );
    if (!ended) throw new NotFound();
  }

  /**
   * Ends one session of the user, within the transaction of the change that causes it.
   * @param actorId the account that asked for it, when it was not the user
   * @returns whether this call ended the session; false for a session of another user.
   */
  async oneIn(
    tx: AnnouncedTransaction,
    { userId, sessionId }: SessionReference,
    source: RequestSource,
    actorId: string = userId,
  ): Promise<boolean> {
    const removed = isId(sessionId) ? await this.deps.store.remove(tx, userId, sessionId) : null;
    if (removed) await this.record(tx, [removed], actorId, source);
    return removed !== null;
  }

  /**
   * Ends every session of the user except this one.
   * @returns how many.
   */
  async others(
    em: EntityManager,
    { userId, sessionId }: SessionReference,
    source: RequestSource,
  ): Promise<number> {
    return this.deps.revocations.transactional(em, (tx) => this.othersIn(tx, { userId, sessionId }, source));
  }

  /** Like `others`, within the transaction of the change that causes it. */
  async othersIn(
    tx: AnnouncedTransaction,
    { userId, sessionId }: SessionReference,
    source: RequestSource,
  ): Promise<number> {
    const removed = await this.deps.store.removeAll(tx, userId, { except: sessionId });
    await this.record(tx, removed, userId, source);
    return removed.length;
  }

  /**
   * Ends every session of the user, within the transaction of the change that causes it.
   * @param actorId the account that asked for it, when it was not the user; null for the command line
   * @returns how many.
   */
  async allIn(
    tx: AnnouncedTransaction,
    userId: string,
    source: RequestSource,
    actorId: string | null = userId,
  ): Promise<number> {
    const removed = await this.deps.store.removeAll(tx, userId);
    await this.record(tx, removed, actorId, source);
    return removed.length;
  }

  private async record(
    tx: EntityManager,
    ended: readonly EndedSession[],
    actorId: string | null,
    source: RequestSource,
  ): Promise<void> {
    for (const { id, userId } of ended) {
      await this.deps.audit.record(tx, source, {
        action: 'session.ended',
        actorId,
        subjectId: userId,
        details: { sessionId: id },
      });
    }
  }
}
