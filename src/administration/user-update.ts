import type { EntityManager } from '@mikro-orm/postgresql';
import {
  asConflict,
  auditAccountAccess,
  type EmailAddress,
  type EmailChange,
  type EmailOwnership,
  emailKey,
  lockAccount,
  type Profiles,
  parseDisplayName,
  parseEmailAddress,
  parsePublicEmailAddress,
  readUsername,
  type User,
} from '../accounts/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { NotFound } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { CallerRequest } from '../platform/request/index.ts';
import { refuseOneself, requireMayActOn } from './may-act-on.ts';
import { UserPermission } from './permissions.ts';

export interface UserUpdateInput {
  readonly id: string;
  /** Unchanged when absent or null. */
  readonly username?: string | null | undefined;
  /** Unchanged when absent or null. */
  readonly email?: string | null | undefined;
  /** Whether the administrator vouches for the new address, or else for the present one. */
  readonly emailConfirmed?: boolean | null | undefined;
  /** Unchanged when absent; removed when null or empty. */
  readonly displayName?: string | null | undefined;
}

/** The parts that `UserUpdate` uses. */
export interface UserUpdateDependencies {
  readonly profiles: Profiles;
  readonly emailChange: EmailChange;
  readonly emailOwnership: EmailOwnership;
  readonly audit: AuditLog;
  readonly options: {
    /** Refuses addresses of the local machine and network. */
    readonly publicEmailsOnly: boolean;
  };
}

/** Changes names and addresses of other people's accounts for administrators. */
export class UserUpdate {
  constructor(private readonly deps: UserUpdateDependencies) {}

  /**
   * Changes all given fields or none. A new address that the administrator does not vouch for takes effect once its
   * owner has opened the link. Sessions do not end, as after changeEmail. The reply shows the account, so it is audited
   * as a read when nothing changed.
   * @throws {BadUserInput} naming every refused field; an address of the caller's own account.
   * @throws {Conflict} the username or the address is taken. @throws {NotFound} @throws {Forbidden}
   */
  async update(request: CallerRequest, input: UserUpdateInput): Promise<void> {
    const { em, caller } = request;
    try {
      await em.transactional(async (tx) => {
        await requireMayActOn(tx, caller, input.id, UserPermission.UPDATE);
        const user = await this.lock(tx, input);
        if (!user) throw new NotFound();
        await this.apply(tx, user, this.parse(input, user), request);
      });
    } catch (error) {
      throw asConflict(error);
    }
  }

  private lock(tx: EntityManager, { id, email }: UserUpdateInput): Promise<User | null> {
    const key = emailKey(email?.trim() ?? '');
    return key === '' ? lockAccount(tx, id) : this.deps.emailOwnership.lockForMove(tx, id, key);
  }

  /** Parses the input. Fields that the update does not change are undefined or false. */
  private parse(input: UserUpdateInput, user: User) {
    const { username, displayName, email } = readFields('input', {
      username: () => readUsername(input.username, user, { reserved: true }),
      displayName: () => (input.displayName === undefined ? undefined : parseDisplayName(input.displayName)),
      email: () => this.readEmail(input.email, user),
      emailConfirmed: () => requireVouchable(input, user),
    });
    const vouches = input.emailConfirmed === true && (email !== undefined || user.emailConfirmedAt === null);
    return { username, displayName, email, vouches };
  }

  /** @returns undefined for the present address, because clients send the whole form. @throws {InvalidValue} */
  private readEmail(text: string | null | undefined, { emailKey }: User): EmailAddress | undefined {
    if (text == null) return undefined;
    const email = this.deps.options.publicEmailsOnly
      ? parsePublicEmailAddress(text)
      : parseEmailAddress(text);
    return email.key === emailKey ? undefined : email;
  }

  private async apply(
    tx: EntityManager,
    user: User,
    { username, displayName, email, vouches }: ReturnType<UserUpdate['parse']>,
    { caller, source }: CallerRequest,
  ): Promise<void> {
    const by = { actorId: caller.userId, source };
    if (email !== undefined || vouches) {
      refuseOneself(
        caller,
        user.id,
        'input.id',
        'To change its address use changeEmail, which asks for your password.',
      );
    }
    const renames = username !== undefined || displayName !== undefined;
    if (renames) await this.deps.profiles.changeIn(tx, user, { username, displayName }, by);
    if (email && vouches) await this.deps.emailChange.moveByAdministrator(tx, user, email, by);
    else if (email) await this.deps.emailChange.requestByAdministrator(tx, user, email, by);
    else if (vouches) await this.deps.emailChange.vouchFor(tx, user, by);
    else if (!renames)
      await auditAccountAccess(tx, this.deps.audit, { actorId: caller.userId, userId: user.id }, source);
  }
}

/** @throws {InvalidValue} */
function requireVouchable({ email, emailConfirmed }: UserUpdateInput, user: User): void {
  if (emailConfirmed === true && email == null && user.email === null) {
    throw new InvalidValue('The account has no e-mail address to vouch for.');
  }
  // If a proved address counted as unproved, the owner of its mailbox could claim the account and remove its second
  // factor.
  if (emailConfirmed === false && email == null && user.emailConfirmedAt !== null) {
    throw new InvalidValue('A confirmed address stays confirmed. Give the account another address instead.');
  }
}
