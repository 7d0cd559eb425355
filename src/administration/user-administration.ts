import type { EntityManager } from '@mikro-orm/postgresql';
import { type Activation, DeactivatedBy, recordLook } from '../accounts/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { NotFound } from '../platform/errors.ts';
import { isId } from '../platform/id.ts';
import type { Caller, RequestOrigin } from '../platform/request/index.ts';
import { lockPowers, powersOf } from '../roles/index.ts';
import type { Endings, SignOut } from '../sessions/index.ts';
import { SessionPermission, UserPermission } from './permissions.ts';

/** What administrators change about other people's accounts; never about an account that may do more than they. */
export class UserAdministration {
  constructor(
    private readonly activation: Activation,
    private readonly signOut: SignOut,
    private readonly endings: Endings,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Deactivating voids the account's tokens, ends its sessions and lasts until an administrator activates it again.
   * @throws {NotFound} @throws {Forbidden} @throws {Conflict} for the last active superuser.
   */
  async setActive(
    em: EntityManager,
    caller: Caller,
    { userId, active }: { userId: string; active: boolean },
    origin: RequestOrigin,
  ): Promise<void> {
    await this.endings.transactional(em, async (tx) => {
      await requireMayActOn(tx, caller, userId, UserPermission.DEACTIVATE);
      const change = { userId, actorId: caller.userId };
      const changed = active
        ? await this.activation.activate(tx, change, origin)
        : await this.activation.deactivate(tx, change, DeactivatedBy.ADMIN, origin);
      // The reply shows the account either way.
      if (!changed) await recordLook(tx, this.audit, change, origin);
    });
  }

  /**
   * Ends every session of an account, also the caller's own when they mean themselves.
   * @returns how many. @throws {NotFound} @throws {Forbidden}
   */
  endSessions(em: EntityManager, caller: Caller, userId: string, origin: RequestOrigin): Promise<number> {
    return this.endings.transactional(em, async (tx) => {
      await requireMayActOn(tx, caller, userId, SessionPermission.REVOKE);
      const ended = await this.signOut.allIn(tx, userId, origin, caller.userId);
      // Also the tokens of sessions that the store has lost.
      await this.endings.raiseEpoch(tx, userId);
      await this.audit.record(tx, origin, {
        action: 'account.sessions_ended',
        actorId: caller.userId,
        subjectId: userId,
        details: { sessions: ended },
      });
      return ended;
    });
  }
}

async function requireMayActOn(
  tx: EntityManager,
  caller: Caller,
  userId: string,
  permission: string,
): Promise<void> {
  const powers = await lockPowers(tx, caller.userId, permission, { subjectId: isId(userId) ? userId : null });
  const exists =
    isId(userId) && (await statement(tx, sql`select from users where id = ${userId}`)).length > 0;
  if (!exists) throw new NotFound();
  powers.requireAtLeast(await powersOf(tx, userId));
}
