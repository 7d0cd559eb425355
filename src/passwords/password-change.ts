import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import { User } from '../accounts/user.entity.ts';
import type { KnownDevices } from '../devices/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { InvalidCredentials, Unauthenticated } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { CallerRequest } from '../platform/request/index.ts';
import type { Revocations, SessionRenewal, SignOut } from '../sessions/index.ts';
import type { CurrentPasswordCheck } from './current-password-check.ts';
import type { PASSWORD_NOTICES } from './notices.ts';
import type { Passwords } from './passwords.ts';

/** Tokens that another person who knew the password may have requested. Changing the password voids them. */
const VOIDED = [TokenPurpose.RESET_PASSWORD, TokenPurpose.CHANGE_EMAIL];

/** Seconds after a change in which its client may repeat it. */
const REPEATABLE_FOR = 600;

/** The parts that `PasswordChange` uses. */
export interface PasswordChangeDependencies {
  readonly passwords: Passwords;
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly tokens: OneTimeTokens;
  readonly revocations: Revocations;
  readonly signOut: SignOut;
  readonly devices: KnownDevices;
  readonly notices: OwnerNotices<keyof typeof PASSWORD_NOTICES>;
  readonly audit: AuditLog;
}

/** Lets the holder of an account replace its password. */
export class PasswordChange {
  constructor(private readonly deps: PasswordChangeDependencies) {}

  /**
   * Replaces the password. Renews the caller's session, ends all others, and forgets every device except this one. So a
   * person who knew the former password guesses at the new one without a known device, and a success is reported to the
   * owner.
   * A client that does not know the outcome may repeat the same change within ten minutes. The new password then counts
   * as the current one, and the whole change runs once more.
   * @returns the mark for the device to keep.
   * @throws {InvalidCredentials} when the current password is wrong.
   * @throws {BadUserInput} when the new one cannot be a password, or the current one is missing.
   */
  async change(
    request: CallerRequest,
    { current, next }: { current: string | null | undefined; next: string },
    renewal: SessionRenewal,
  ): Promise<string> {
    const { em, caller, source } = request;
    const { userId } = caller;
    await this.deps.currentPasswordCheck.charge(source);
    const user = await em.findOne(User, { id: userId });
    if (!user) throw new Unauthenticated();
    const known = await this.deps.passwords.find(em, userId);
    const { currentPassword, newPassword } = readFields('', {
      currentPassword: () => this.deps.currentPasswordCheck.read(known, current),
      newPassword: () =>
        this.deps.passwords.parseNew(next, { username: user.username, email: user.email ?? undefined }),
    });
    const mayRepeat = await wasChangedLately(em, userId);
    const claim = { known, password: currentPassword, repeated: mayRepeat ? newPassword : null };
    const proof = await this.deps.currentPasswordCheck.verify(request, claim, 'password.change');
    const replacement = await this.deps.passwords.hash(newPassword, { reserved: true });

    const deviceMark = await this.deps.revocations.transactional(em, async (tx) => {
      // Lock the account before its password; accounts/lock-account.ts explains why.
      if (!(await tx.findOne(User, { id: userId }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true })))
        return null;
      if (!proof && !(await this.deps.currentPasswordCheck.stillHolds(tx, caller, null))) return null;
      const stored = proof
        ? await this.deps.passwords.replace(tx, proof, replacement)
        : await this.deps.passwords.store(tx, userId, replacement);
      if (!stored) return null;
      const ended = await this.deps.signOut.othersIn(tx, caller, source);
      await this.deps.tokens.void(tx, userId, VOIDED);
      await this.deps.notices.tell(tx, userId, 'password-changed', source);
      await this.deps.audit.record(tx, source, {
        action: 'password.changed',
        actorId: userId,
        subjectId: userId,
        details: { endedSessions: ended },
      });
      await this.deps.devices.forgetAll(tx, userId);
      const mark = await this.deps.devices.expect(tx, userId, source);
      await renewal.rotate(tx);
      return mark;
    });
    if (deviceMark === null) throw new InvalidCredentials(['password'], 'the password was changed meanwhile');
    return deviceMark;
  }
}

/** Whether this operation changed the password lately. A registration or a reset does not count. */
async function wasChangedLately(em: EntityManager, userId: string): Promise<boolean> {
  const rows = await statement(
    em,
    sql`select from audit_event
        where subject_id = ${userId} and actor_id = ${userId} and action = 'password.changed'
          and at > now() - make_interval(secs => ${REPEATABLE_FOR})
        limit 1`,
  );
  return rows.length > 0;
}
