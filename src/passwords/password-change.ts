import type { EntityManager } from '@mikro-orm/postgresql';
import { User } from '../accounts/user.entity.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import type { Clock } from '../platform/clock.ts';
import { InvalidCredentials, ReauthenticationRequired, Unauthenticated } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type Caller, networkOf, type RequestOrigin } from '../platform/request/index.ts';
import type { Endings, SignOut } from '../sessions/index.ts';
import type { PasswordCandidate, PasswordProof, Passwords } from './passwords.ts';

export const PASSWORD_CHANGE_RULES = {
  'changePassword.address': { burst: 30, perSeconds: 900 },
  'changePassword.account': { burst: 10, perSeconds: 900 },
} as const;

/** Seconds within which a sign-in stands in for the password that an account does not have. */
const RECENT_SIGN_IN = 300;

/** The holder of an account replaces its password. */
export class PasswordChange {
  constructor(
    private readonly passwords: Passwords,
    private readonly endings: Endings,
    private readonly signOut: SignOut,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter,
    private readonly clock: Clock,
  ) {}

  /**
   * Ends every session but the caller's.
   * @throws {InvalidCredentials} the current password is wrong.
   * @throws {BadUserInput} the new one cannot be a password, or the current one is missing.
   */
  async change(
    em: EntityManager,
    caller: Caller,
    { current, next }: { current: string | null | undefined; next: string },
    origin: RequestOrigin,
  ): Promise<void> {
    const { userId } = caller;
    await this.rateLimiter.charge({
      'changePassword.address': networkOf(origin.clientAddress ?? ''),
      'changePassword.account': userId,
    });
    const user = await em.findOne(User, { id: userId });
    if (!user) throw new Unauthenticated();
    const known = await this.passwords.find(em, userId);
    const { currentPassword, newPassword } = readFields('', {
      currentPassword: () => this.readCurrent(known, current),
      newPassword: () =>
        this.passwords.parseNew(next, { username: user.username, email: user.email ?? undefined }),
    });
    const proof = await this.prove(em, caller, known, currentPassword, origin);
    const replacement = await this.passwords.hash(newPassword);

    const changed = await this.endings.transactional(em, async (tx) => {
      const stored = proof
        ? await this.passwords.replace(tx, proof, replacement)
        : await this.passwords.store(tx, userId, replacement);
      if (!stored) return false;
      const ended = await this.signOut.othersIn(tx, caller, origin);
      await this.audit.record(tx, origin, {
        action: 'password.changed',
        actorId: userId,
        subjectId: userId,
        details: { endedSessions: ended },
      });
      return true;
    });
    if (!changed) throw new InvalidCredentials('the password was changed meanwhile');
  }

  private readCurrent(known: PasswordCandidate, current: string | null | undefined): string | null {
    if (!known) return null;
    if (current == null) throw new InvalidValue('The current password is needed.');
    return this.passwords.parseClaimed(current);
  }

  private async prove(
    em: EntityManager,
    caller: Caller,
    known: PasswordCandidate,
    current: string | null,
    origin: RequestOrigin,
  ): Promise<PasswordProof | null> {
    if (!known || current === null) {
      if (this.clock.now() / 1000 - caller.authenticatedAt <= RECENT_SIGN_IN) return null;
      throw new ReauthenticationRequired({
        requiredAal: null,
        maxAgeSeconds: RECENT_SIGN_IN,
        methods: [],
        enrolmentRequired: false,
      });
    }
    const proof = await this.passwords.verify(em, known, current);
    if (proof) return proof;
    await this.audit.record(em, origin, {
      action: 'password.change_failed',
      actorId: caller.userId,
      subjectId: caller.userId,
      outcome: AuditOutcome.FAILURE,
    });
    throw new InvalidCredentials('wrong current password');
  }
}
