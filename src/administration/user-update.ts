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
import type { Caller, RequestSource } from '../platform/request/index.ts';
import { refuseOneself, requireMayActOn } from './may-act-on.ts';
import { UserPermission } from './permissions.ts';

export interface UserUpdateInput {
  readonly id: string;
  /** Left as it is when absent or null. */
  readonly username?: string | null | undefined;
  /** Left as it is when absent or null. */
  readonly email?: string | null | undefined;
  /** Whether the administrator vouches for the address: the new one, or the one that the account has. */
  readonly emailConfirmed?: boolean | null | undefined;
  /** Left as it is when absent; removed when null or empty. */
  readonly displayName?: string | null | undefined;
}

/** What `UserUpdate` works with. */
export interface UserUpdateDependencies {
  readonly profiles: Profiles;
  readonly emailChange: EmailChange;
  readonly emailOwnership: EmailOwnership;
  readonly audit: AuditLog;
  readonly options: {
    /** Refuse addresses of the local machine and network. */
    readonly publicEmailsOnly: boolean;
  };
}

/** Administrators change the name and the address of other people's accounts. */
export class UserUpdate {
  constructor(private readonly deps: UserUpdateDependencies) {}

  /**
   * Changes everything that is given, or nothing. A new address that nobody vouches for waits until it proved itself; sessions
   * go on, as after changeEmail. The reply shows the account, so a look is recorded where nothing changed.
   * @throws {BadUserInput} naming every field that was refused; an address of the caller's own account.
   * @throws {Conflict} the username is taken, or the address. @throws {NotFound} @throws {Forbidden}
   */
  async update(
    em: EntityManager,
    caller: Caller,
    input: UserUpdateInput,
    source: RequestSource,
  ): Promise<void> {
    try {
      await em.transactional(async (tx) => {
        await requireMayActOn(tx, caller, input.id, UserPermission.UPDATE);
        const user = await this.lock(tx, input);
        if (!user) throw new NotFound();
        await this.apply(tx, caller, user, this.parse(input, user), source);
      });
    } catch (error) {
      throw asConflict(error);
    }
  }

  private lock(tx: EntityManager, { id, email }: UserUpdateInput): Promise<User | null> {
    const key = emailKey(email?.trim() ?? '');
    return key === '' ? lockAccount(tx, id) : this.deps.emailOwnership.lockForMove(tx, id, key);
  }

  /** Leaves undefined or false what the update does not change. */
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

  /** @returns undefined for the address that the account has: clients send the whole form. @throws {InvalidValue} */
  private readEmail(text: string | null | undefined, { emailKey }: User): EmailAddress | undefined {
    if (text == null) return undefined;
    const email = this.deps.options.publicEmailsOnly
      ? parsePublicEmailAddress(text)
      : parseEmailAddress(text);
    return email.key === emailKey ? undefined : email;
  }

  private async apply(
    tx: EntityManager,
    caller: Caller,
    user: User,
    { username, displayName, email, vouches }: ReturnType<UserUpdate['parse']>,
    source: RequestSource,
  ): Promise<void> {
    const { userId: actorId } = caller;
    if (email !== undefined || vouches) {
      refuseOneself(
        caller,
        user.id,
        'input.id',
        'Use changeEmail for its address, which asks for your password.',
      );
    }
    const renames = username !== undefined || displayName !== undefined;
    if (renames) await this.deps.profiles.changeIn(tx, user, { username, displayName }, actorId, source);
    if (email && vouches) await this.deps.emailChange.moveByAdministrator(tx, user, email, actorId, source);
    else if (email) await this.deps.emailChange.requestByAdministrator(tx, user, email, actorId, source);
    else if (vouches) await this.deps.emailChange.vouchFor(tx, user, actorId, source);
    else if (!renames) await auditAccountAccess(tx, this.deps.audit, { actorId, userId: user.id }, source);
  }
}

/** @throws {InvalidValue} */
function requireVouchable({ email, emailConfirmed }: UserUpdateInput, user: User): void {
  if (emailConfirmed === true && email == null && user.email === null) {
    throw new InvalidValue('The account has no e-mail address to vouch for.');
  }
  // An address that counts as never proved lets its mailbox claim the account, and take the second factor from it.
  if (emailConfirmed === false && email == null && user.emailConfirmedAt !== null) {
    throw new InvalidValue(
      'The address was confirmed, and stays so. Give the account another address instead.',
    );
  }
}
