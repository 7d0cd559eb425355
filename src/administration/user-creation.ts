import {
  asConflict,
  parseDisplayName,
  parseEmailAddress,
  parsePublicEmailAddress,
  parseUsername,
  type Registration,
  type User,
} from '../accounts/index.ts';
import type { Passwords } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { MailOutbox } from '../platform/mail/index.ts';
import type { CallerRequest } from '../platform/request/index.ts';
import type { RecoveryMail } from '../recovery/index.ts';
import { lockEffectivePermissions, type RoleGrants } from '../roles/index.ts';
import { UserPermission } from './permissions.ts';

export interface UserCreationInput {
  readonly username: string;
  readonly email?: string | null | undefined;
  /** Whether the administrator vouches for the address. */
  readonly emailConfirmed: boolean;
  readonly displayName?: string | null | undefined;
  /** Absent: the owner gets a mailed link to set one. */
  readonly password?: string | null | undefined;
  readonly roles: readonly string[];
}

/** The parts that `UserCreation` uses. */
export interface UserCreationDependencies {
  readonly registration: Registration;
  readonly passwords: Passwords;
  readonly grants: RoleGrants;
  readonly mails: { readonly outbox: MailOutbox; readonly recovery: RecoveryMail };
  readonly audit: AuditLog;
  readonly options: {
    /** Refuses addresses of the local machine and network. */
    readonly publicEmailsOnly: boolean;
  };
}

/** Creates accounts for administrators. */
export class UserCreation {
  constructor(private readonly deps: UserCreationDependencies) {}

  /**
   * Creates an account with its roles. Without a password, the person gets a link that sets one and proves the address.
   * @throws {BadUserInput} naming every refused field; a role that does not exist.
   * @throws {Conflict} the username or the address is taken.
   * @throws {Forbidden} the caller may not create accounts, or not grant these roles.
   */
  async create(request: CallerRequest, input: UserCreationInput): Promise<User> {
    const { em, caller, source } = request;
    const { password, ...account } = this.parse(input);
    const credential = password === null ? null : await this.deps.passwords.hash(password);
    try {
      return await em.transactional(async (tx) => {
        const powers = await lockEffectivePermissions(tx, caller.userId, UserPermission.CREATE);
        const user = await this.deps.registration.createIn(tx, account, credential);
        await this.deps.audit.record(tx, source, {
          action: 'account.created',
          actorId: caller.userId,
          subjectId: user.id,
          details: { emailConfirmed: account.emailConfirmed, password: credential !== null },
        });
        await this.deps.grants.grantToNew(tx, powers, { userId: user.id, roles: input.roles }, source);
        if (!credential && user.email) {
          await this.deps.mails.outbox.put(tx, this.deps.mails.recovery, {
            address: user.email,
            sentBy: 'creation',
          });
        }
        return user;
      });
    } catch (error) {
      throw asConflict(error);
    }
  }

  private parse({ username, email, emailConfirmed, displayName, password }: UserCreationInput) {
    return readFields('input', {
      // Reserved usernames are allowed, as on the command line: an administrator knows for whom they are.
      username: () => parseUsername(username, { reserved: true }),
      email: () => {
        if (email != null) {
          return this.deps.options.publicEmailsOnly
            ? parsePublicEmailAddress(email)
            : parseEmailAddress(email);
        }
        if (password != null) return null;
        throw new InvalidValue('Give a password, or an e-mail address for the link that sets one.');
      },
      emailConfirmed: () => {
        if (emailConfirmed && email == null) throw new InvalidValue('Give the e-mail address to vouch for.');
        return emailConfirmed;
      },
      displayName: () => parseDisplayName(displayName),
      password: () =>
        password == null
          ? null
          : this.deps.passwords.parseNew(password, { username, email: email ?? undefined }),
    });
  }
}
