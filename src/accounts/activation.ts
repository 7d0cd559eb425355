import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Revocations, SignOut } from '../sessions/index.ts';
import { DeactivatedBy } from './user.entity.ts';

/**
 * Refuses to take the last active superuser out of use. Call it first in a transaction that deactivates or deletes an
 * account, because it takes locks. Implemented by roles/last-superuser.ts.
 * @throws {Conflict}
 */
export type RemovalGuard = (tx: EntityManager, userId: string) => Promise<void>;

declare module '../platform/module-type.ts' {
  interface Contribution {
    readonly removalGuards: RemovalGuard;
  }
}

/** The account to change, and the actor. */
export interface ActivationChange {
  userId: string;
  /** Null for the command line. */
  actorId: string | null;
}

/**
 * Deactivates and activates accounts. Each method runs in the transaction of the caller, and returns whether it changed
 * anything.
 */
export class Activation {
  constructor(
    private readonly removalGuard: RemovalGuard,
    private readonly revocations: Revocations,
    private readonly signOut: SignOut,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Voids the tokens of the account and ends its sessions. An administrator's deactivation replaces the owner's, but
   * never the reverse: the owner may undo only their own deactivation. Call it before any other lock is taken: the lock
   * of the guard comes first on every path.
   * @throws {Conflict} for the last active superuser.
   */
  async deactivate(
    tx: AnnouncedTransaction,
    { userId, actorId }: ActivationChange,
    by: DeactivatedBy,
    source: RequestSource,
  ): Promise<boolean> {
    await this.removalGuard(tx, userId);
    const replaceable =
      by === DeactivatedBy.ADMIN ? sql`deactivated_by is distinct from 'ADMIN'` : sql`deactivated_by is null`;
    const changed = await statement(
      tx,
      sql`update users set deactivated_by = ${by} where id = ${userId} and ${replaceable} returning id`,
    );
    if (changed.length === 0) return false;
    await this.revocations.raiseEpoch(tx, userId);
    const endedSessions = await this.signOut.allIn(tx, userId, source, actorId);
    await this.audit.record(tx, source, {
      action: 'account.deactivated',
      actorId,
      subjectId: userId,
      details: { by, endedSessions },
    });
    return true;
  }

  /** Ends a deactivation for an administrator, regardless of who deactivated the account. */
  activate(tx: EntityManager, change: ActivationChange, source: RequestSource): Promise<boolean> {
    return this.lift(tx, change, [DeactivatedBy.OWNER, DeactivatedBy.ADMIN], source);
  }

  /** Ends the owner's own deactivation, after a password reset. */
  comeBack(tx: EntityManager, userId: string, source: RequestSource): Promise<boolean> {
    return this.lift(tx, { userId, actorId: userId }, [DeactivatedBy.OWNER], source);
  }

  private async lift(
    tx: EntityManager,
    { userId, actorId }: ActivationChange,
    from: readonly DeactivatedBy[],
    source: RequestSource,
  ): Promise<boolean> {
    const lifted = await statement(
      tx,
      sql`update users set deactivated_by = null where id = ${userId} and deactivated_by = any(${[...from]}) returning id`,
    );
    if (lifted.length === 0) return false;
    await this.audit.record(tx, source, { action: 'account.activated', actorId, subjectId: userId });
    return true;
  }
}
