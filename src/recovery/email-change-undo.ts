import type { EntityManager } from '@mikro-orm/postgresql';
import { type EmailOwnership, lockAccount } from '../accounts/index.ts';
import type { SecondFactors } from '../authenticators/index.ts';
import type { KnownDevices } from '../devices/index.ts';
import type { LinkedIdentities } from '../identities/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import { type OneTimeTokens, type TokenBinding, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Passwords } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { InvalidToken } from '../platform/errors.ts';
import type { MailOutbox } from '../platform/mail/index.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type RequestSource } from '../platform/request/index.ts';
import type { AnnouncedTransaction, Revocations, SignOut } from '../sessions/index.ts';
import type { RECOVERY_NOTICES } from './notices.ts';
import type { RecoveryMail } from './recovery-mail.ts';

export const UNDO_RULES = { 'undoEmailChange.ip': { burst: 20, perSeconds: 900, counts: 'IP' } } as const;

/** Links that were mailed because of the change, or that could lead to the address that it set. */
const VOIDED = [TokenPurpose.CONFIRM_EMAIL, TokenPurpose.CHANGE_EMAIL, TokenPurpose.RESET_PASSWORD];

/**
 * Milliseconds before the request of the change. A factor that was added in this time counts as the thief's. The thief
 * of a session prepares the account before moving it; an owner's own factor is usually older.
 */
const SUSPECT_TIME = 24 * 3600 * 1000;

/** The parts that `EmailChangeUndo` uses. */
export interface EmailChangeUndoDependencies {
  readonly tokens: OneTimeTokens;
  readonly emailOwnership: EmailOwnership;
  readonly identities: LinkedIdentities;
  readonly passwords: Passwords;
  readonly secondFactors: SecondFactors;
  readonly devices: KnownDevices;
  readonly revocations: Revocations;
  readonly signOut: SignOut;
  readonly mails: { readonly outbox: MailOutbox; readonly recovery: RecoveryMail };
  readonly notices: OwnerNotices<keyof typeof RECOVERY_NOTICES>;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof UNDO_RULES>;
}

/** Returns an account to its owner after another person changed its address. */
export class EmailChangeUndo {
  constructor(private readonly deps: EmailChangeUndoDependencies) {}

  /**
   * Restores the address to which the notice was mailed, whatever happened since. It ends every session, forgets every
   * device, cancels later changes, and mails a link to set a new password. It removes the password, which another
   * person knows, and every linked identity, which may be another person's. It removes a second factor and recovery
   * codes that were added in the 24 hours before the request or later. The owner is told about those.
   * @throws {InvalidToken} nothing was changed.
   */
  async undo(em: EntityManager, token: string, source: RequestSource): Promise<void> {
    await this.deps.rateLimiter.charge(['undoEmailChange.ip', source.networks]);
    await this.deps.revocations.transactional(em, async (tx) => {
      const binding = await this.deps.emailOwnership.consume(tx, token, [TokenPurpose.UNDO_EMAIL_CHANGE]);
      if (!binding) throw new InvalidToken('unknown, expired or used');
      await this.restore(tx, binding, source);
    });
  }

  private async restore(
    tx: AnnouncedTransaction,
    binding: TokenBinding,
    source: RequestSource,
  ): Promise<void> {
    const { userId, address, addressKey } = binding;
    const user = await lockAccount(tx, userId);
    if (!user || (await this.deps.emailOwnership.isTaken(tx, addressKey, userId))) {
      throw new InvalidToken('the account was deleted, or another account has the address');
    }
    // The link was mailed to this address, so its use proves the address.
    tx.assign(user, {
      email: address,
      emailKey: addressKey,
      emailConfirmedAt: new Date(),
      updatedAt: new Date(),
    });
    await tx.flush();
    const requestedAt = await this.deps.tokens.firstIssuedAt(tx, binding);
    const suspectSince = new Date(requestedAt.getTime() - SUSPECT_TIME);
    await this.deps.tokens.void(tx, userId, VOIDED);
    await this.deps.tokens.voidLaterUndos(tx, binding);
    await this.deps.passwords.remove(tx, userId);
    const removed = await this.deps.secondFactors.removeNewerThan(tx, userId, suspectSince);
    const identities = await this.deps.identities.removeAll(tx, userId);
    await this.deps.devices.forgetAll(tx, userId);
    const ended = await this.deps.signOut.allIn(tx, userId, source);
    await this.deps.revocations.raiseEpoch(tx, userId);
    await this.deps.mails.outbox.put(tx, this.deps.mails.recovery, { address, undoes: true });
    if (removed.secondFactor) await this.deps.notices.tell(tx, userId, 'factor-removed-by-undo', source);
    if (removed.recoveryCodes > 0)
      await this.deps.notices.tell(tx, userId, 'recovery-codes-removed-by-undo', source);
    await this.deps.audit.record(tx, source, {
      action: 'account.email_change_undone',
      actorId: userId,
      subjectId: userId,
      details: {
        endedSessions: ended,
        removedSecondFactor: removed.secondFactor,
        removedRecoveryCodes: removed.recoveryCodes,
        removedIdentities: identities,
      },
    });
  }
}
