import type { EntityManager } from '@mikro-orm/postgresql';
import type { OwnerNotices } from '../notices/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { SECOND_FACTOR_NOTICES } from './notices.ts';
import type { RecoveryCodes } from './recovery-codes/recovery-codes.ts';
import type { FactorKind, SecondFactorInput } from './second-factor-input.ts';
import type { SecondFactorThrottle } from './second-factor-throttle.ts';
import { TotpAuthenticator } from './totp/totp-authenticator.entity.ts';
import type { TotpCodes } from './totp/totp-codes.ts';
import { TotpEnrolment } from './totp/totp-enrolment.entity.ts';

/** A code that was charged as a guess, and may be checked now. */
export interface CountedGuess {
  readonly kind: FactorKind;
  /** Consumes the code in the transaction that relies on it. @returns false when the code is wrong or was used. */
  consume(tx: EntityManager): Promise<boolean>;
}

/** The account whose second factor is guessed, and the session in which it is. */
export interface Guesser {
  readonly userId: string;
  /** Null or absent at a sign-in. */
  readonly sessionId?: string | null;
}

/** The second factors that an owner loses by an undo of an e-mail change. */
export interface RemovedFactors {
  /** Whether the second factor was removed together with its recovery codes. */
  readonly secondFactor: boolean;
  /** How many recovery codes were removed although their factor stays. */
  readonly recoveryCodes: number;
}

/** The parts that `SecondFactors` uses. */
export interface SecondFactorsDependencies {
  readonly allowance: SecondFactorThrottle;
  readonly totpCodes: TotpCodes;
  readonly recoveryCodes: RecoveryCodes;
  readonly notices: OwnerNotices<keyof typeof SECOND_FACTOR_NOTICES>;
  readonly audit: AuditLog;
}

/** Checks second factors. A code can be checked only after a guess was charged. */
export class SecondFactors {
  constructor(private readonly deps: SecondFactorsDependencies) {}

  /**
   * Charges a guess, which is refunded only if the code is right.
   * @param em outside any transaction, so that no rollback undoes the charge
   * @returns null for an account without a second factor.
   * @throws {RateLimited} the account or the session has no guesses left.
   */
  async guess(
    em: EntityManager,
    { userId, sessionId = null }: Guesser,
    { kind, code }: SecondFactorInput,
    source: RequestSource,
  ): Promise<CountedGuess | null> {
    if (!(await this.deps.allowance.spend(em, userId, kind, sessionId))) return null;
    const use = kind === 'otp' ? this.useTotp.bind(this) : this.useRecoveryCode.bind(this);
    return {
      kind,
      consume: async (tx) => {
        if (!(await use(tx, userId, code, source))) return false;
        await this.deps.allowance.giveBack(tx, userId, kind, sessionId);
        return true;
      },
    };
  }

  /**
   * Refills the guesses of an account that an administrator unlocks. Guesses of its sessions are counted by round
   * (guesses/guess-rounds.ts).
   */
  refillGuesses(tx: EntityManager, userId: string): Promise<void> {
    return this.deps.allowance.refill(tx, userId);
  }

  private useTotp(tx: EntityManager, userId: string, code: string): Promise<boolean> {
    return this.deps.totpCodes.consume(tx, userId, code);
  }

  private async useRecoveryCode(
    tx: EntityManager,
    userId: string,
    code: string,
    source: RequestSource,
  ): Promise<boolean> {
    if (!(await this.deps.recoveryCodes.consume(tx, userId, code))) return false;
    await this.deps.notices.tell(tx, userId, 'recovery-code-used', source);
    await this.deps.audit.record(tx, source, {
      action: 'recovery_code.used',
      actorId: userId,
      subjectId: userId,
      details: { left: await this.deps.recoveryCodes.count(tx, userId) },
    });
    return true;
  }

  /**
   * Removes every second factor and every unconfirmed enrolment. This also voids sign-ins that wait for their second
   * step. The caller checks the permission, ends sessions and tells the owner.
   * @returns false when the account had none.
   */
  async turnOff(tx: EntityManager, userId: string): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`update users set second_factor_since = null
          where id = ${userId} and second_factor_since is not null returning id`,
    );
    await tx.nativeDelete(TotpAuthenticator, { userId });
    await tx.nativeDelete(TotpEnrolment, { userId });
    await this.deps.recoveryCodes.removeAll(tx, userId);
    return rows.length > 0;
  }

  /**
   * Removes the factors that were added after this time, for an owner who undoes an e-mail change. An older factor
   * stays, but recovery codes that were made after this time are removed.
   */
  async removeNewerThan(tx: EntityManager, userId: string, time: Date): Promise<RemovedFactors> {
    const [user] = await statement(
      tx,
      sql<{
        is_newer: boolean | null;
      }>`select second_factor_since > ${time} as is_newer from users where id = ${userId}`,
    );
    if (user?.is_newer) return { secondFactor: await this.turnOff(tx, userId), recoveryCodes: 0 };
    return {
      secondFactor: false,
      recoveryCodes: await this.deps.recoveryCodes.removeNewerThan(tx, userId, time),
    };
  }

  /** Audits a wrong code of a signed-in caller. */
  async recordWrong(
    em: EntityManager,
    userId: string,
    kind: FactorKind,
    source: RequestSource,
  ): Promise<void> {
    await this.deps.audit.record(em, source, {
      action: 'second_factor.failed',
      actorId: userId,
      subjectId: userId,
      outcome: AuditOutcome.FAILURE,
      details: { factor: kind },
    });
  }
}
