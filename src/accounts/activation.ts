import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Revocations, SignOut } from '../sessions/index.ts';
import { DeactivatedBy } from './user.entity.ts';

/**
 * Called first in a transaction that would take an account out of use (deactivation, deletion): it locks, and refuses
 * the last account that may do everything. roles/last-superuser.ts is one.
 * @throws {Conflict}
 */
export type RemovalGuard = (tx: EntityManager, userId: string) => Promise<void>;

/** Whom it concerns and who did it. */
export interface ActivationChange {
  userId: string;
  /** Null for the command line. */
  actorId: string | null;
}

/**
 * Whether an account may be used. Each method works in the transaction of the use case that calls it, and tells
 * whether it changed anything.
 */
export class Activation {
  constructor(
    private readonly keepSuperuser: RemovalGuard,
    private readonly revocations: Revocations,
    private readonly signOut: SignOut,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Voids the account's tokens and ends its sessions. An administrator's deactivation takes the place of the owner's,
   * never the other way round: what the owner did, the owner may undo.
   * Nothing else may be locked before it: the guard's lock comes first on every path.
   * @throws {Conflict} for the last active superuser.
   */
  async deactivate(
    tx: AnnouncedTransaction,
    { userId, actorId }: ActivationChange,
    by: DeactivatedBy,
    source: RequestSource,
  ): Promise<boolean> {
    await this.keepSuperuser(tx, userId);
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

  /** By an administrator: whoever deactivated it. */
  activate(tx: EntityManager, change: ActivationChange, source: RequestSource): Promise<boolean> {
    return this.lift(tx, change, [DeactivatedBy.OWNER, DeactivatedBy.ADMIN], source);
  }

  /** The owner comes back, by a password reset: only from a deactivation of their own. */
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
