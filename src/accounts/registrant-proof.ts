import type { EntityManager } from '@mikro-orm/postgresql';
import { guessRounds, inRound } from '../guesses/index.ts';
import type { TokenBinding } from '../one-time-tokens/index.ts';
import { NotHashed, type Passwords } from '../passwords/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { BadUserInput, InvalidCredentials } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { Caller, RequestSource } from '../platform/request/index.ts';
import { isUnrevoked } from '../sessions/index.ts';
import { pendingRegistrations } from './pending-registrations.ts';
import { registrationMarks } from './registration-marks.ts';

/**
 * Each wrong password for a registration costs one. Only a person who has the mailed link can try a password at all.
 */
export const REGISTRANT_PROOF_RULES = {
  'confirmEmail.registration': {
    burst: 10,
    perSeconds: 3600,
    counts: 'registration, for each wrong password; only a person who has its mailed link can offer one',
  },
} as const;

/** The evidence by which the sender of a confirmation can prove that they also registered. All of it is unchecked. */
export interface RegistrantClaim {
  /** The unchecked mark of the cookie that `register` set. */
  readonly mark: string | null;
  /** Looks up the signed-in user; called only when the mark does not decide. */
  readonly caller: () => Promise<Caller | null>;
  readonly password: string | null | undefined;
}

/** Whether the proof still holds. Called under the lock on the account, in the transaction that relies on it. */
export type StillHolds = (tx: EntityManager) => Promise<boolean>;

/**
 * Proves that the person who confirms an address also registered with it. The mailed link proves only that the person
 * owns the address. A stranger may have registered with that address and wait for its owner to confirm it (Sudhodanan
 * and Paverd, "Pre-hijacked accounts", 2022).
 */
export class RegistrantProof {
  constructor(
    private readonly passwords: Passwords,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter<keyof typeof REGISTRANT_PROOF_RULES>,
  ) {}

  /**
   * Accepts the browser that registered, a session of the account, or the password of the registration.
   * @throws {BadUserInput} the request has none of them: the password is needed.
   * @throws {InvalidCredentials} the password is wrong, or the account has none.
   * @throws {RateLimited} too many wrong passwords for this registration.
   */
  async prove(
    em: EntityManager,
    { userId }: TokenBinding,
    claim: RegistrantClaim,
    source: RequestSource,
  ): Promise<StillHolds> {
    if (await registrationMarks.matches(em, userId, claim.mark)) return async () => true;
    const caller = await claim.caller();
    if (caller?.userId === userId) return (tx) => isUnrevoked(tx, caller);
    const { password } = claim;
    if (password == null) throw passwordNeeded();
    return this.byPassword(em, userId, password, source);
  }

  private async byPassword(
    em: EntityManager,
    userId: string,
    claimed: string,
    source: RequestSource,
  ): Promise<StillHolds> {
    const { password } = readFields('', { password: () => this.passwords.parseClaimed(claimed) });
    const guess = ['confirmEmail.registration', inRound(userId, await guessRounds.of(em, userId))] as const;
    await this.rateLimiter.charge(guess);
    const stillHolds = await this.verify(em, userId, password).catch(async (error) => {
      if (error instanceof NotHashed) await this.rateLimiter.giveBack(guess);
      throw error;
    });
    if (stillHolds) {
      await this.rateLimiter.giveBack(guess);
      return stillHolds;
    }
    await this.audit.record(em, source, {
      action: 'account.email_confirmation_failed',
      actorId: null,
      subjectId: userId,
      outcome: AuditOutcome.FAILURE,
    });
    throw new InvalidCredentials(['password'], 'wrong password of the registration');
  }

  private async verify(em: EntityManager, userId: string, password: string): Promise<StillHolds | null> {
    const pending = await pendingRegistrations.find(em, userId);
    // The password of a pending registration cannot change.
    if (pending)
      return (await this.passwords.matches(pending, password, { reserved: true })) ? async () => true : null;
    const known = await this.passwords.find(em, userId);
    const proof = await this.passwords.verify(em, known, password, { reserved: true });
    return proof && ((tx) => this.passwords.stillHolds(tx, proof));
  }
}

const passwordNeeded = (): BadUserInput =>
  new BadUserInput([
    {
      field: 'password',
      message:
        'Enter the password of this registration, or open the link in the browser that you registered with.',
    },
  ]);
