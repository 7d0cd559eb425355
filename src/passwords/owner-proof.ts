import type { EntityManager } from '@mikro-orm/postgresql';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import type { Clock } from '../platform/clock.ts';
import { InvalidCredentials, ReauthenticationRequired } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import {
  type Caller,
  type FactorLookup,
  networksOf,
  type RequestOrigin,
  reauthenticationMethods,
} from '../platform/request/index.ts';
import { isStillGood } from '../sessions/index.ts';
import type { PasswordCandidate, PasswordProof, Passwords } from './passwords.ts';

/** Every claim of a password by a signed-in caller spends one from each. */
export const OWNER_PROOF_RULES = {
  'ownerProof.address': { burst: 30, perSeconds: 900 },
  'ownerProof.account': { burst: 10, perSeconds: 900 },
} as const;

/** Seconds within which a sign-in stands in for the password that an account does not have. */
const RECENT_SIGN_IN = 300;

/** What an account's owner claimed, not yet verified. */
export interface OwnerClaim {
  readonly known: PasswordCandidate;
  readonly password: string | null;
}

/**
 * That a signed-in caller is the owner, before the account changes hands or shape: the password, where the account has
 * one; else a sign-in within five minutes.
 */
export class OwnerProof {
  constructor(
    private readonly passwords: Passwords,
    private readonly factors: FactorLookup,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter,
    private readonly clock: Clock,
  ) {}

  /**
   * @param operation names the failed attempt in the audit trail: `password.change` becomes `password.change_failed`
   * @returns the proof, to be held against the stored password in the transaction of the change; null for an account
   *   without a password.
   * @throws {BadUserInput} the password is missing.
   * @throws {InvalidCredentials} it is wrong.
   * @throws {ReauthenticationRequired} no password, and the sign-in was too long ago.
   */
  async prove(
    em: EntityManager,
    caller: Caller,
    password: string | null | undefined,
    operation: string,
    origin: RequestOrigin,
  ): Promise<PasswordProof | null> {
    await this.charge(caller, origin);
    const known = await this.passwords.find(em, caller.userId);
    const claim = readFields('', { password: () => this.read(known, password) });
    return this.verify(em, caller, { known, password: claim.password }, operation, origin);
  }

  /** Before anything costly: every operation that calls `read` and `verify` itself starts here. */
  async charge(caller: Caller, origin: RequestOrigin): Promise<void> {
    await this.rateLimiter.charge({
      'ownerProof.address': networksOf(origin.clientAddress ?? ''),
      'ownerProof.account': caller.userId,
    });
  }

  /** @throws {InvalidValue} where the account has a password and none that can be one was given. */
  read(known: PasswordCandidate, password: string | null | undefined): string | null {
    if (!known) return null;
    if (password == null) throw new InvalidValue('The current password is needed.');
    return this.passwords.parseClaimed(password);
  }

  /** @see prove */
  async verify(
    em: EntityManager,
    caller: Caller,
    { known, password }: OwnerClaim,
    operation: string,
    origin: RequestOrigin,
  ): Promise<PasswordProof | null> {
    if (!known || password === null) {
      await this.requireRecentSignIn(em, caller);
      return null;
    }
    const proof = await this.passwords.verify(em, known, password);
    if (proof) return proof;
    await this.audit.record(em, origin, {
      action: `${operation}_failed`,
      actorId: caller.userId,
      subjectId: caller.userId,
      outcome: AuditOutcome.FAILURE,
    });
    throw new InvalidCredentials('wrong current password');
  }

  /**
   * Locks what was proved until the transaction of the change ends. The caller holds the lock on the account.
   * @returns false when the password was changed since; for an account without one when it got one, or the sign-in that
   *   stood in for it is over.
   */
  async stillHolds(tx: EntityManager, caller: Caller, proof: PasswordProof | null): Promise<boolean> {
    if (proof) return this.passwords.stillHolds(tx, proof);
    return (await this.passwords.find(tx, caller.userId)) === null && isStillGood(tx, caller);
  }

  private async requireRecentSignIn(em: EntityManager, caller: Caller): Promise<void> {
    if (this.clock.now() / 1000 - caller.authenticatedAt <= RECENT_SIGN_IN) return;
    throw new ReauthenticationRequired({
      requiredAal: null,
      maxAgeSeconds: RECENT_SIGN_IN,
      methods: reauthenticationMethods(await this.factors.of(em, caller.userId), { tooWeak: false }),
      enrolmentRequired: false,
    });
  }
}
