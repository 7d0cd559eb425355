import type { EntityManager } from '@mikro-orm/postgresql';
import {
  lockAccountByAddress,
  pendingRegistrations,
  registrationMarks,
  type UnprovedAccounts,
} from '../accounts/index.ts';
import type { User } from '../accounts/user.entity.ts';
import type { SecondFactors } from '../authenticators/index.ts';
import type { KnownDevices } from '../devices/index.ts';
import type { LinkedIdentities } from '../identities/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import type { OneTimeTokens } from '../one-time-tokens/index.ts';
import type { Passwords } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Revocations, SignOut } from '../sessions/index.ts';

/** How the owner proved the address. */
export type ClaimProof = 'google' | 'password-reset';

/** What `AccountClaim` works with. */
export interface AccountClaimDependencies {
  readonly passwords: Passwords;
  readonly secondFactors: SecondFactors;
  readonly devices: KnownDevices;
  readonly identities: LinkedIdentities;
  readonly tokens: OneTimeTokens;
  readonly revocations: Revocations;
  readonly signOut: SignOut;
  readonly notices: OwnerNotices;
  readonly audit: AuditLog;
}

/**
 * The owner of an address takes over an account that was registered with it and never confirmed. Whoever registered it
 * was perhaps somebody else, who waits for the owner to move in (Sudhodanan and Paverd, "Pre-hijacked accounts", 2022):
 * so nothing that could open the account stays.
 */
export class AccountClaim implements UnprovedAccounts {
  constructor(private readonly deps: AccountClaimDependencies) {}

  /**
   * Not an account with a role: whoever gave it that meant its holder, and an address with a typing error belongs to a
   * stranger. The caller has locked the account, so no role is granted meanwhile.
   */
  async isOpen(tx: EntityManager, userId: string): Promise<boolean> {
    const roles = await statement(tx, sql`select from role_grant where user_id = ${userId} limit 1`);
    return roles.length === 0;
  }

  /**
   * A registration proved the address of an account that never did: the account loses the address, and everything that
   * could open it. The account itself stays, for an administrator to judge. The caller has reserved the address and
   * knows that it has no owner (EmailOwnership.hasOwner).
   */
  async vacate(tx: AnnouncedTransaction, addressKey: string, source: RequestSource): Promise<void> {
    const user = await lockAccountByAddress(tx, addressKey);
    if (!user) return;
    tx.assign(user, { email: null, emailKey: null, updatedAt: new Date() });
    await tx.flush();
    const emptied = await this.empty(tx, user.id, source);
    await this.deps.audit.record(tx, source, {
      action: 'account.address_lost',
      actorId: null,
      subjectId: user.id,
      details: { ...emptied },
    });
  }

  /** The caller has locked the account. */
  async apply(
    tx: AnnouncedTransaction,
    user: User,
    { addressKey, by }: { addressKey: string; by: ClaimProof },
    source: RequestSource,
  ): Promise<void> {
    const { id: userId } = user;
    const now = new Date();
    tx.assign(user, { emailConfirmedAt: now, updatedAt: now });
    await tx.flush();
    const emptied = await this.empty(tx, userId, source);
    await pendingRegistrations.dropOthers(tx, addressKey);
    if (emptied.removedSecondFactor) await this.deps.notices.tell(tx, userId, 'factor-disabled', source);
    await this.deps.audit.record(tx, source, {
      action: 'account.claimed',
      actorId: userId,
      subjectId: userId,
      details: { by, ...emptied },
    });
  }

  /** Takes away everything that could open the account. */
  private async empty(tx: AnnouncedTransaction, userId: string, source: RequestSource) {
    await this.deps.passwords.remove(tx, userId);
    const removedSecondFactor = await this.deps.secondFactors.turnOff(tx, userId);
    await this.deps.devices.forgetAll(tx, userId);
    const removedIdentities = await this.deps.identities.removeAll(tx, userId);
    await this.deps.tokens.voidAll(tx, userId);
    await registrationMarks.remove(tx, userId);
    const endedSessions = await this.deps.signOut.allIn(tx, userId, source);
    // Voids access tokens, and the sign-ins that wait for their second step.
    await this.deps.revocations.raiseEpoch(tx, userId);
    return { endedSessions, removedSecondFactor, removedIdentities };
  }
}
