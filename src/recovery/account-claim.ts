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

/** How the owner proved the address, as the audit trail has it: by a mail, or the name of an identity provider. */
export type ClaimProof = string;

/** The parts that `AccountClaim` uses. */
export interface AccountClaimDependencies {
  readonly passwords: Passwords;
  readonly secondFactors: SecondFactors;
  readonly devices: KnownDevices;
  readonly identities: LinkedIdentities;
  readonly tokens: OneTimeTokens;
  readonly revocations: Revocations;
  readonly signOut: SignOut;
  readonly notices: OwnerNotices<'factor-disabled'>;
  readonly audit: AuditLog;
}

/**
 * Lets the owner of an address take over an account that was registered with it and never confirmed. Another person may
 * have registered it and wait for the owner to use it (Sudhodanan and Paverd, "Pre-hijacked accounts", 2022). So
 * everything that could open the account is removed.
 */
export class AccountClaim implements UnprovedAccounts {
  constructor(private readonly deps: AccountClaimDependencies) {}

  /**
   * Whether the account may be claimed. An account with a role may not be claimed, because its role was granted to its
   * holder. If its address has a typing error, the owner of that address is a stranger. The caller has locked the
   * account, so no role is granted meanwhile.
   */
  async isOpen(tx: EntityManager, userId: string): Promise<boolean> {
    const roles = await statement(tx, sql`select from role_grant where user_id = ${userId} limit 1`);
    return roles.length === 0;
  }

  /**
   * Removes the address from an unproved account, because a registration has proved that address. Also removes
   * everything that could open the account. The account itself stays, so that an administrator can decide about it. The
   * caller has reserved the address and knows that it has no owner (EmailOwnership.hasOwner).
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

  /** Gives an account to the owner of its address. The caller has locked the account. */
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

  /** Removes everything that could open the account. */
  private async empty(tx: AnnouncedTransaction, userId: string, source: RequestSource) {
    await this.deps.passwords.remove(tx, userId);
    const removedSecondFactor = await this.deps.secondFactors.turnOff(tx, userId);
    await this.deps.devices.forgetAll(tx, userId);
    const removedIdentities = await this.deps.identities.removeAll(tx, userId);
    await this.deps.tokens.voidAll(tx, userId);
    await registrationMarks.remove(tx, userId);
    const endedSessions = await this.deps.signOut.allIn(tx, userId, source);
    // Voids access tokens, and sign-ins that wait for their second step.
    await this.deps.revocations.raiseEpoch(tx, userId);
    return { endedSessions, removedSecondFactor, removedIdentities };
  }
}
