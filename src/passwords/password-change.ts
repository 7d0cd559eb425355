import { type EntityManager, LockMode } from '@mikro-orm/postgresql';
import { User } from '../accounts/user.entity.ts';
import type { KnownDevices } from '../devices/index.ts';
import type { OwnerNotices } from '../notices/index.ts';
import { type OneTimeTokens, TokenPurpose } from '../one-time-tokens/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { InvalidCredentials, Unauthenticated } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { Caller, RequestSource } from '../platform/request/index.ts';
import type { Revocations, SessionRenewal, SignOut } from '../sessions/index.ts';
import type { CurrentPasswordCheck } from './current-password-check.ts';
import type { Passwords } from './passwords.ts';

/** Whoever changes the password because somebody else knew it also undoes what that somebody has asked for. */
const VOIDED = [TokenPurpose.RESET_PASSWORD, TokenPurpose.CHANGE_EMAIL];

/** Seconds after a change for which its client may repeat it. */
const REPEATABLE_FOR = 600;

/** What `PasswordChange` works with. */
export interface PasswordChangeDependencies {
  readonly passwords: Passwords;
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly tokens: OneTimeTokens;
  readonly revocations: Revocations;
  readonly signOut: SignOut;
  readonly devices: KnownDevices;
  readonly notices: OwnerNotices;
  readonly audit: AuditLog;
}

/** The holder of an account replaces its password. */
export class PasswordChange {
  constructor(private readonly deps: PasswordChangeDependencies) {}

  /**
   * Ends every session but the caller's, which is renewed, and forgets every device but this one: a person who knew the former password guesses at
   * the new one as a stranger, and the owner hears of their success.
   * A client that does not know the outcome may repeat the same change within ten minutes: the new password then stands in for
   * the current one, and everything happens once more.
   * @returns the mark that the device is to keep.
   * @throws {InvalidCredentials} the current password is wrong.
   * @throws {BadUserInput} the new one cannot be a password, or the current one is missing.
   */
  async change(
    em: EntityManager,
    caller: Caller,
    { current, next }: { current: string | null | undefined; next: string },
    source: RequestSource,
    renewal: SessionRenewal,
  ): Promise<string> {
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
    const proof = await this.deps.currentPasswordCheck.verify(em, caller, claim, 'password.change', source);
    const replacement = await this.deps.passwords.hash(newPassword, { reserved: true });

    const deviceMark = await this.deps.revocations.transactional(em, async (tx) => {
      // The account before its password: accounts/lock-account.ts tells why.
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

/** By this operation, so not by a registration or a reset. */
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
