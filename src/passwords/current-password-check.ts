import type { EntityManager } from '@mikro-orm/postgresql';
import { deviceKey, type KnownDevices } from '../devices/index.ts';
import { guessRounds, inRound } from '../guesses/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import type { Clock } from '../platform/clock.ts';
import { InvalidCredentials, RateLimited, ReauthenticationRequired } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { Charge, RateLimiter } from '../platform/rate-limit/index.ts';
import {
  type Caller,
  type CallerRequest,
  type FactorLookup,
  RECENT_FOR_OWNERS,
  type RequestSource,
  reauthenticationMethods,
} from '../platform/request/index.ts';
import { isUnrevoked } from '../sessions/index.ts';
import { NotHashed } from './hash-queue.ts';
import type { PasswordCandidate, PasswordProof, Passwords } from './passwords.ts';

/**
 * Every operation that asks for the password is charged to the client's networks. A guess is also charged to the
 * session and the account. The session has half the allowance of the account, so attempts in a stolen session leave the
 * owner's own session usable. A known device has its own allowance instead. The operation refunds the
 * guess when the password was right or was never compared.
 */
export const CURRENT_PASSWORD_RULES = {
  'currentPasswordCheck.ip': {
    burst: 30,
    perSeconds: 900,
    counts: 'IP, for every operation that asks for the password again',
  },
  'currentPasswordCheck.device': {
    burst: 10,
    perSeconds: 900,
    counts: 'account and device, if the account knows the device; replaces the two below; failures only',
  },
  'currentPasswordCheck.session': { burst: 5, perSeconds: 900, counts: 'session; failures only' },
  'currentPasswordCheck.account': {
    burst: 10,
    perSeconds: 900,
    counts: 'account, from all its sessions; failures only',
  },
} as const;

/** The charge for a guess at the password. */
type Guess = Charge<keyof typeof CURRENT_PASSWORD_RULES>;

/** The unverified claim of an account's owner. */
export interface OwnerClaim {
  readonly known: PasswordCandidate;
  readonly password: string | null;
  /**
   * The new password of a change that may be a repetition. It is accepted when it already is the password of the
   * account.
   */
  readonly repeated?: string | null;
}

/** The parts that `CurrentPasswordCheck` uses. */
export interface CurrentPasswordCheckDependencies {
  readonly passwords: Passwords;
  readonly factors: FactorLookup;
  readonly devices: KnownDevices;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof CURRENT_PASSWORD_RULES>;
  readonly clock: Clock;
}

/**
 * Checks that a signed-in caller is the owner, before a sensitive change of the account: by the password, or by a recent
 * authentication when the account has no password.
 */
export class CurrentPasswordCheck {
  constructor(private readonly deps: CurrentPasswordCheckDependencies) {}

  /**
   * @param operation names the failed attempt in the audit trail: `password.change` becomes `password.change_failed`
   * @returns the proof, to compare with the stored password in the transaction of the change; null for an account
   * without a password.
   * @throws {BadUserInput} when the password is missing.
   * @throws {InvalidCredentials} when it is wrong.
   * @throws {ReauthenticationRequired} when the account has no password, and the authentication is not recent.
   * @throws {RateLimited} after too many wrong passwords; this one was not compared.
   */
  async prove(
    request: CallerRequest,
    password: string | null | undefined,
    operation: string,
  ): Promise<PasswordProof | null> {
    const { em, caller, source } = request;
    await this.charge(source);
    const known = await this.deps.passwords.find(em, caller.userId);
    const claim = readFields('', { password: () => this.read(known, password) });
    return this.verify(request, { known, password: claim.password }, operation);
  }

  /**
   * Charges the client's networks before any costly work. Every operation that calls `read` and `verify` itself starts
   * here.
   */
  async charge(source: RequestSource): Promise<void> {
    await this.deps.rateLimiter.charge(['currentPasswordCheck.ip', source.networks]);
  }

  /** @throws {InvalidValue} when the account has a password, and none or an impossible one was given. */
  read(known: PasswordCandidate, password: string | null | undefined): string | null {
    if (!known) return null;
    if (password == null) throw new InvalidValue('The current password is needed.');
    return this.deps.passwords.parseClaimed(password);
  }

  /** @see prove */
  async verify(
    request: CallerRequest,
    { known, password, repeated = null }: OwnerClaim,
    operation: string,
  ): Promise<PasswordProof | null> {
    const { em, caller, source } = request;
    if (!known || password === null) {
      await this.requireRecentAuthentication(em, caller);
      return null;
    }
    const guess = await this.guessOf(request);
    const proof =
      (await this.compare(em, known, password, guess)) ??
      (repeated === null ? null : await this.compareRepeated(em, known, repeated, guess));
    if (proof) return proof;
    await this.deps.audit.record(em, source, {
      action: `${operation}_failed`,
      actorId: caller.userId,
      subjectId: caller.userId,
      outcome: AuditOutcome.FAILURE,
    });
    throw new InvalidCredentials(['password'], 'wrong current password');
  }

  /** Charges a guess, and refunds it when the password was right or was never compared. */
  private async compare(
    em: EntityManager,
    known: PasswordCandidate,
    password: string,
    guess: readonly Guess[],
  ): Promise<PasswordProof | null> {
    await this.deps.rateLimiter.charge(...guess);
    const proof = await this.deps.passwords
      .verify(em, known, password, { reserved: true })
      .catch(async (error: unknown) => {
        if (error instanceof NotHashed) await this.deps.rateLimiter.giveBack(...guess);
        throw error;
      });
    if (proof) await this.deps.rateLimiter.giveBack(...guess);
    return proof;
  }

  /**
   * Makes a second guess, which is charged as well. If the second guess is right, the charge of the first one is
   * refunded too.
   */
  private async compareRepeated(
    em: EntityManager,
    known: PasswordCandidate,
    password: string,
    guess: readonly Guess[],
  ): Promise<PasswordProof | null> {
    const proof = await this.compare(em, known, password, guess).catch((error: unknown) => {
      if (error instanceof RateLimited) return null;
      throw error;
    });
    if (proof) await this.deps.rateLimiter.giveBack(...guess);
    return proof;
  }

  /**
   * Locks the proved facts until the transaction of the change ends. The caller holds the lock on the account.
   * @returns false when the password was changed since. For an account without a password, when it got one since or the
   * session of the sign-in ended.
   */
  async stillHolds(tx: EntityManager, caller: Caller, proof: PasswordProof | null): Promise<boolean> {
    if (proof) return this.deps.passwords.stillHolds(tx, proof);
    return (await this.deps.passwords.find(tx, caller.userId)) === null && isUnrevoked(tx, caller);
  }

  private async guessOf(request: CallerRequest): Promise<readonly Guess[]> {
    const { em, caller, source } = request;
    const { userId, sessionId } = caller;
    const round = await guessRounds.of(em, userId);
    const account = inRound(userId, round);
    return (await this.deps.devices.isKnown(em, userId, source))
      ? [['currentPasswordCheck.device', `${account} ${deviceKey(source)}`]]
      : [
          ['currentPasswordCheck.session', inRound(sessionId, round)],
          ['currentPasswordCheck.account', account],
        ];
  }

  private async requireRecentAuthentication(em: EntityManager, caller: Caller): Promise<void> {
    if (this.deps.clock.now() / 1000 - caller.authenticatedAt <= RECENT_FOR_OWNERS) return;
    throw new ReauthenticationRequired({
      requiredAal: null,
      maxAgeSeconds: RECENT_FOR_OWNERS,
      methods: reauthenticationMethods(await this.deps.factors.of(em, caller.userId), { tooWeak: false }),
      enrolmentRequired: false,
    });
  }
}
