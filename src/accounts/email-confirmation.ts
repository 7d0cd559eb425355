import type { EntityManager } from '@mikro-orm/postgresql';
import { type OneTimeTokens, type TokenBinding, TokenPurpose } from '../one-time-tokens/index.ts';
import type { Passwords } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { violatedUniqueConstraint } from '../platform/database/index.ts';
import { BadUserInput, InvalidCredentials, InvalidToken } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { MailOutbox } from '../platform/mail/index.ts';
import { type RateLimiter, SCARCE } from '../platform/rate-limit/index.ts';
import { type RequestSource } from '../platform/request/index.ts';
import type { Revocations } from '../sessions/index.ts';
import type { ConfirmationMail } from './confirmation-mails.ts';
import { parseEmailAddress } from './email-address.ts';
import type { EmailChange } from './email-change.ts';
import type { EmailOwnership } from './email-ownership.ts';
import { pendingRegistrations } from './pending-registrations.ts';
import type { RegistrantClaim, RegistrantProof, StillHolds } from './registrant-proof.ts';
import { registrationMarks } from './registration-marks.ts';
import { User } from './user.entity.ts';
import { usernameSkeletons } from './username-skeleton.ts';

export const CONFIRMATION_RULES = {
  'confirmEmail.ip': { burst: 60, perSeconds: 3600, counts: 'IP' },
  'resendEmailConfirmation.ip': { burst: 20, perSeconds: 3600, wider: SCARCE, counts: 'IP' },
  /** Charged by the worker for each mail that it sends. */
  'resendEmailConfirmation.recipient': {
    burst: 5,
    perSeconds: 3600,
    counts: 'mailbox, for each mail; further mails are not sent',
  },
} as const;

const CONFIRMING = [TokenPurpose.CONFIRM_EMAIL, TokenPurpose.CHANGE_EMAIL];

/** Accounts whose address was never proved. */
export interface UnprovedAccounts {
  /** Removes the address from the account that has it, and every credential of that account. */
  vacate(tx: EntityManager, addressKey: string, source: RequestSource): Promise<void>;
}

declare module '../platform/module-type.ts' {
  interface Contribution {
    readonly unprovedAccounts: UnprovedAccounts;
  }
}

/** The parts that `EmailConfirmation` uses. */
export interface EmailConfirmationDependencies {
  readonly tokens: OneTimeTokens;
  readonly emailOwnership: EmailOwnership;
  readonly emailChange: EmailChange;
  readonly passwords: Passwords;
  readonly registrant: RegistrantProof;
  readonly unproved: readonly UnprovedAccounts[];
  readonly revocations: Revocations;
  readonly outbox: MailOutbox;
  readonly mail: ConfirmationMail;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof CONFIRMATION_RULES>;
}

/**
 * Confirms e-mail addresses. The first person to prove an address claims it from every account and registration that
 * used it before.
 */
export class EmailConfirmation {
  constructor(private readonly deps: EmailConfirmationDependencies) {}

  /**
   * Uses a mailed token: confirms the address of an account, turns a pending registration into an account, or completes
   * a change of address. Returns the account in all three cases.
   * @throws {InvalidToken} nothing was changed.
   * @throws {BadUserInput} another browser registered, and the password is missing; the token stays valid.
   * @throws {InvalidCredentials} the password is wrong; the token stays valid.
   */
  async confirm(
    em: EntityManager,
    token: string,
    claim: RegistrantClaim,
    source: RequestSource,
  ): Promise<User> {
    await this.deps.rateLimiter.charge(['confirmEmail.ip', source.networks]);
    const seen = await this.deps.tokens.look(em, token, CONFIRMING);
    if (!seen) throw new InvalidToken('unknown, expired or used');
    const stillHolds = await this.prove(em, { ...seen, token }, claim, source);
    try {
      return await this.deps.revocations.transactional(em, async (tx) => {
        const binding = await this.deps.emailOwnership.consume(tx, token, CONFIRMING);
        if (!binding) throw new InvalidToken('used meanwhile');
        if (!(await stillHolds(tx))) throw new InvalidToken('the session or the password ended meanwhile');
        if (binding.purpose === TokenPurpose.CHANGE_EMAIL) {
          return this.deps.emailChange.complete(tx, binding, source);
        }
        const account =
          (await this.confirmAccount(tx, binding, source)) ?? (await this.makeAccount(tx, binding, source));
        await registrationMarks.remove(tx, account.id);
        return account;
      });
    } catch (error) {
      // A concurrent confirmation gave the address to another account.
      if (violatedUniqueConstraint(error) === 'users_email_key_unique') {
        throw new InvalidToken('the address was taken meanwhile');
      }
      throw error;
    }
  }

  private async prove(
    em: EntityManager,
    binding: TokenBinding & { readonly token: string },
    claim: RegistrantClaim,
    source: RequestSource,
  ): Promise<StillHolds> {
    if (!(await this.needsProof(em, binding))) return async () => true;
    try {
      return await this.deps.registrant.prove(em, binding, claim, source);
    } catch (error) {
      // A concurrent confirmation may have removed the registration. Then no password helps.
      const isRefused = error instanceof BadUserInput || error instanceof InvalidCredentials;
      if (isRefused && !(await this.deps.tokens.look(em, binding.token, CONFIRMING))) {
        throw new InvalidToken('voided while the registrant was proved');
      }
      throw error;
    }
  }

  /**
   * Whether the person must prove that they registered. A registration always needs it. A change of address needs it
   * only while a registration waits for the new address. Then the owner of the address expects a mail, and could open
   * the link of another person's change instead. The mail of a change says that an account wants to use the address.
   */
  private async needsProof(em: EntityManager, { purpose, addressKey }: TokenBinding): Promise<boolean> {
    return purpose === TokenPurpose.CONFIRM_EMAIL || (await pendingRegistrations.waitFor(em, addressKey));
  }

  /**
   * Requests another confirmation mail. Cost and answer are the same for every address; the worker decides whether a
   * mail is sent.
   * @param mark of the browser. If the browser made one of several registrations, the mail has only the link of that
   *   one
   */
  async resend(
    em: EntityManager,
    address: string,
    mark: string | null,
    source: RequestSource,
  ): Promise<void> {
    const { email } = readFields('', { email: () => parseEmailAddress(address) });
    await this.deps.rateLimiter.charge(['resendEmailConfirmation.ip', source.networks]);
    await em.transactional((tx) => this.deps.outbox.put(tx, this.deps.mail, { address: email.email, mark }));
  }

  private async confirmAccount(
    tx: EntityManager,
    { userId, addressKey }: TokenBinding,
    source: RequestSource,
  ): Promise<User | null> {
    const now = new Date();
    const confirmed = await tx.nativeUpdate(
      User,
      { id: userId, emailKey: addressKey },
      { emailConfirmedAt: now, updatedAt: now },
    );
    if (confirmed === 0) return null;
    await this.deps.tokens.void(tx, userId, [TokenPurpose.CONFIRM_EMAIL]);
    await this.record(tx, userId, source);
    await pendingRegistrations.dropOthers(tx, addressKey);
    return tx.findOneOrFail(User, { id: userId }, { refresh: true });
  }

  private async makeAccount(
    tx: EntityManager,
    { userId, addressKey }: TokenBinding,
    source: RequestSource,
  ): Promise<User> {
    const pending = await pendingRegistrations.claim(tx, userId);
    if (!pending || (await this.deps.emailOwnership.hasOwner(tx, addressKey))) {
      throw new InvalidToken('the registration is gone, or its address was taken meanwhile');
    }
    for (const accounts of this.deps.unproved) await accounts.vacate(tx, addressKey, source);
    const user = tx.create(User, {
      id: pending.id,
      username: pending.username,
      usernameKey: pending.usernameKey,
      usernameSkeletons:
        pending.usernameSkeletons ?? usernameSkeletons(pending.username, pending.usernameKey),
      email: pending.email,
      emailKey: pending.emailKey,
      emailConfirmedAt: new Date(),
      displayName: pending.displayName,
      createdAt: pending.createdAt,
    });
    await tx.persist(user).flush();
    await this.deps.passwords.store(tx, user.id, { hash: pending.hash, pepperId: pending.pepperId });
    await pendingRegistrations.dropOthers(tx, addressKey);
    await this.deps.audit.record(tx, source, {
      action: 'account.registered',
      actorId: user.id,
      subjectId: user.id,
    });
    await this.record(tx, user.id, source);
    return user;
  }

  private record(tx: EntityManager, userId: string, source: RequestSource): Promise<void> {
    return this.deps.audit.record(tx, source, {
      action: 'account.email_confirmed',
      actorId: userId,
      subjectId: userId,
    });
  }
}
