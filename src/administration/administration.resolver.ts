import type { EntityManager } from '@mikro-orm/postgresql';
import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { auditAccountAccess, findByName, readAccount, UserType } from '../accounts/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { BadUserInput, NotFound } from '../platform/errors.ts';
import { isId } from '../platform/id.ts';
import {
  Authorize,
  AuthorizeChange,
  type Caller,
  CurrentCaller,
  RECENT_AUTHENTICATION,
  type RequestContext,
} from '../platform/request/index.ts';
import { type SessionStore, SessionType } from '../sessions/index.ts';
import { FactorPermission, SessionPermission, UserPermission } from './permissions.ts';
import { CreateUserInput, UpdateUserInput, UserConnection, UserFilter, type UserPage } from './user.types.ts';
import type { UserAdministration } from './user-administration.ts';
import type { UserCreation } from './user-creation.ts';
import type { UserDirectory } from './user-directory.ts';
import type { UserUpdate } from './user-update.ts';

/** Default size of a page. */
const ACCOUNTS = 20;

/** The parts that `AdministrationResolver` uses. */
export interface AdministrationResolverDependencies {
  readonly directory: UserDirectory;
  readonly administration: UserAdministration;
  readonly creation: UserCreation;
  readonly updates: UserUpdate;
  readonly sessions: SessionStore;
  readonly audit: AuditLog;
}

/** Operations on other people's accounts. Each read of personal data is audited. */
@Resolver(() => UserConnection)
export class AdministrationResolver {
  constructor(private readonly deps: AdministrationResolverDependencies) {}

  @Authorize({ permission: UserPermission.READ })
  @Query(() => UserType, {
    nullable: true,
    description: 'An account. Null for an unknown id. Needs the permission user:read.',
  })
  async user(
    @Arg('id', () => ID) id: string,
    @CurrentCaller() { userId: actorId }: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType | null> {
    const account = await find(em, id);
    if (account) await auditAccountAccess(em, this.deps.audit, { actorId, userId: id }, source);
    return account;
  }

  @Authorize({ permission: UserPermission.READ })
  @Query(() => UserConnection, {
    description:
      'Accounts, newest first. With filter.search: accounts whose username begins with the text, by username; then accounts of which only the e-mail address begins with it. Needs the permission user:read.',
  })
  async users(
    @Arg('first', () => Int, { nullable: true, defaultValue: ACCOUNTS, description: '1 to 100.' }) first:
      | number
      | null,
    @Arg('after', () => String, { nullable: true, description: 'endCursor of the previous page.' })
    after: string | null | undefined,
    @Arg('filter', () => UserFilter, { nullable: true }) filter: UserFilter | null | undefined,
    @CurrentCaller() { userId: actorId }: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserPage> {
    const query = filter ?? {};
    const page = await this.deps.directory.page(em, { first: first ?? ACCOUNTS, after }, query);
    await this.deps.audit.record(em, source, {
      action: 'account.listed',
      actorId,
      subjectId: null,
      // A search text may be any person's name or address, so only the fact of a search is recorded. A role is recorded
      // only if an account has it, because then it is the name of a role.
      details: {
        accounts: page.nodes.length,
        searched: Boolean(query.search),
        role: page.nodes.length > 0 ? (query.role ?? null) : null,
      },
    });
    return { ...page, query };
  }

  @FieldResolver(() => Int, {
    description:
      'The number of accounts on all pages. Counted only when selected: select it once, not with every page.',
  })
  totalCount(@Root() { query }: UserPage, @Ctx() { em }: RequestContext): Promise<number> {
    return this.deps.directory.count(em, query);
  }

  @Authorize({ permission: SessionPermission.READ })
  @Query(() => [SessionType], {
    description:
      'The active sessions of an account, most recently used first. Empty for an unknown account. Needs the permission session:read. BAD_USER_INPUT unless exactly one argument names the account.',
  })
  async userSessions(
    @Arg('userId', () => ID, { nullable: true }) id: string | null | undefined,
    @Arg('user', () => String, {
      nullable: true,
      description: 'Username or e-mail address, instead of userId.',
    })
    user: string | null | undefined,
    @CurrentCaller() { userId: actorId, sessionId }: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<SessionType[]> {
    if ((id == null) === (user == null)) {
      throw new BadUserInput([{ field: 'userId', message: 'Give either userId or user.' }]);
    }
    const userId = id == null ? await findByName(em, user ?? '') : id;
    if (userId === null || !(await find(em, userId))) return [];
    const sessions = await this.deps.sessions.list(em, userId);
    await this.deps.audit.record(em, source, { action: 'session.listed', actorId, subjectId: userId });
    return sessions.map((session) => SessionType.of(session, sessionId));
  }

  @AuthorizeChange(UserPermission.DEACTIVATE)
  @Mutation(() => UserType, {
    description: `Deactivates or activates an account. Deactivation voids its tokens at once and ends its sessions; only an administrator can activate it again. Activation also works when the owner deactivated it. Needs the permission user:deactivate and every permission of that account. ${RECENT_AUTHENTICATION} CONFLICT for the last active superuser.`,
  })
  async setUserActive(
    @Arg('userId', () => ID) userId: string,
    @Arg('active', () => Boolean) active: boolean,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    await this.deps.administration.setActive(context, { userId, active });
    return found(await readAccount(context.em, userId));
  }

  @Authorize({ permission: SessionPermission.REVOKE })
  @Mutation(() => Int, {
    description:
      'Ends every session of an account, and returns how many. Needs the permission session:revoke and every permission of that account. Ending sessions is always safe, so it needs no recent authentication.',
  })
  revokeUserSessions(
    @Arg('userId', () => ID) userId: string,
    @Ctx() context: RequestContext,
  ): Promise<number> {
    return this.deps.administration.endSessions(context, userId);
  }

  @Authorize({ permission: SessionPermission.REVOKE })
  @Mutation(() => Boolean, {
    description:
      'Ends one session of an account. Every process refuses its tokens at once. userSessions lists sessions. Needs the permission session:revoke and every permission of that account. Ending sessions is always safe, so it needs no recent authentication. NOT_FOUND when the account has no such session.',
  })
  async revokeUserSession(
    @Arg('userId', () => ID) userId: string,
    @Arg('sessionId', () => ID) sessionId: string,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.endSession(context, { userId, sessionId });
    return true;
  }

  @AuthorizeChange(UserPermission.CREATE)
  @Mutation(() => UserType, {
    description: `Creates an account. Without a password, its owner gets a mailed link to set one. Needs the permission user:create, and for its roles the permissions of grantRole. ${RECENT_AUTHENTICATION} BAD_USER_INPUT names the refused fields. CONFLICT for a username or e-mail address that is taken.`,
  })
  async createUser(
    @Arg('input', () => CreateUserInput) input: CreateUserInput,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    const { id } = await this.deps.creation.create(context, input);
    return found(await readAccount(context.em, id));
  }

  @AuthorizeChange(UserPermission.UPDATE)
  @Mutation(() => UserType, {
    description: `Changes username, display name and e-mail address of an account: all given fields or none. The old address gets a notice of the change. If it was confirmed, the notice has an undo link for 72 hours. Sessions do not end. Needs the permission user:update and every permission of that account. ${RECENT_AUTHENTICATION} BAD_USER_INPUT names the refused fields. It names the id for the e-mail address of one's own account: use changeEmail. CONFLICT for a username or e-mail address that is taken.`,
  })
  async updateUser(
    @Arg('input', () => UpdateUserInput) input: UpdateUserInput,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    await this.deps.updates.update(context, input);
    return found(await readAccount(context.em, input.id));
  }

  @AuthorizeChange(UserPermission.DELETE)
  @Mutation(() => Boolean, {
    description: `Deletes an account and all its personal data for good, as deleteAccount does for its owner. The owner gets a last mail. Sessions end at once. Needs the permission user:delete and every permission of that account. ${RECENT_AUTHENTICATION} CONFLICT for the last active superuser, BAD_USER_INPUT for one's own account.`,
  })
  async deleteUser(
    @Arg('userId', () => ID) userId: string,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.delete(context, userId);
    return true;
  }

  @AuthorizeChange(FactorPermission.REMOVE)
  @Mutation(() => UserType, {
    description: `Removes every second factor and the recovery codes of an account whose owner lost them. Sessions end at once, and the owner gets a mail. Verify first that the request comes from the owner. Needs the permission factor:remove and every permission of that account. ${RECENT_AUTHENTICATION} Changes nothing when there is no second factor. BAD_USER_INPUT for one's own account.`,
  })
  async removeSecondFactor(
    @Arg('userId', () => ID) userId: string,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    await this.deps.administration.removeSecondFactor(context, userId);
    return found(await readAccount(context.em, userId));
  }

  @AuthorizeChange(UserPermission.UNLOCK)
  @Mutation(() => Boolean, {
    description: `Mails the owner of an account a link to set a new password. The link works once, for 24 hours; nothing changes before. Needs the permission user:unlock and every permission of that account. ${RECENT_AUTHENTICATION} CONFLICT for an account without an e-mail address, and for one that an administrator deactivated. RATE_LIMITED after five in an hour for one account.`,
  })
  async sendPasswordReset(
    @Arg('userId', () => ID) userId: string,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.sendPasswordReset(context, userId);
    return true;
  }

  @AuthorizeChange(UserPermission.UNLOCK)
  @Mutation(() => Boolean, {
    description: `Unlocks an account that guessing has locked, by refilling all guesses at it. These are guesses at its password by username, by e-mail address, in its sessions and on its known devices, and guesses at its second factor. Passwords, sessions and limits per network stay as they are. Needs the permission user:unlock and every permission of that account. ${RECENT_AUTHENTICATION} BAD_USER_INPUT for one's own account. RATE_LIMITED after ten in an hour for one account.`,
  })
  async unlockUser(
    @Arg('userId', () => ID) userId: string,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.unlock(context, userId);
    return true;
  }
}

const find = async (em: EntityManager, id: string): Promise<UserType | null> =>
  isId(id) ? readAccount(em, id) : null;

/** Returns an account that existed before this request changed it. @throws {NotFound} it was deleted meanwhile. */
function found(account: UserType | null): UserType {
  if (!account) throw new NotFound();
  return account;
}
