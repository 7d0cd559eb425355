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
  RECENT_PROOF,
  type RequestContext,
} from '../platform/request/index.ts';
import { type SessionStore, SessionType } from '../sessions/index.ts';
import { FactorPermission, SessionPermission, UserPermission } from './permissions.ts';
import { CreateUserInput, UpdateUserInput, UserConnection, UserFilter, type UserPage } from './user.types.ts';
import type { UserAdministration } from './user-administration.ts';
import type { UserCreation } from './user-creation.ts';
import type { UserDirectory } from './user-directory.ts';
import type { UserUpdate } from './user-update.ts';

/** Of a page, where nobody says. */
const ACCOUNTS = 20;

/** What `AdministrationResolver` works with. */
export interface AdministrationResolverDependencies {
  readonly directory: UserDirectory;
  readonly administration: UserAdministration;
  readonly creation: UserCreation;
  readonly updates: UserUpdate;
  readonly sessions: SessionStore;
  readonly audit: AuditLog;
}

/** Other people's accounts, for those who may. Each look at personal data is recorded. */
@Resolver(() => UserConnection)
export class AdministrationResolver {
  constructor(private readonly deps: AdministrationResolverDependencies) {}

  @Authorize({ permission: UserPermission.READ })
  @Query(() => UserType, {
    nullable: true,
    description: 'An account; null for an unknown id. Needs the permission user:read.',
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
      'Accounts, the newest first; with filter.search those whose username begins so, by username, then those of whom only the address does. Needs the permission user:read.',
  })
  async users(
    @Arg('first', () => Int, { nullable: true, defaultValue: ACCOUNTS, description: '1 to 100.' }) first:
      | number
      | null,
    @Arg('after', () => String, { nullable: true, description: 'endCursor of the page before.' })
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
      // What was asked for may be anybody's name or address: of a search, only that there was one; and what somebody
      // has is the name of a role.
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
      'Of all pages together. Counted only when it is selected: ask for it once, not with every page.',
  })
  totalCount(@Root() { query }: UserPage, @Ctx() { em }: RequestContext): Promise<number> {
    return this.deps.directory.count(em, query);
  }

  @Authorize({ permission: SessionPermission.READ })
  @Query(() => [SessionType], {
    description:
      "An account's active sessions, most recently used first; none for an unknown account. Needs the permission session:read. BAD_USER_INPUT unless one of the arguments names the account.",
  })
  async userSessions(
    @Arg('userId', () => ID, { nullable: true }) id: string | null | undefined,
    @Arg('user', () => String, {
      nullable: true,
      description: 'Username or e-mail address, in place of userId.',
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
    description: `Deactivates an account (its tokens are void at once, its sessions end, and only an administrator brings it back) or activates it, whoever deactivated it. Needs the permission user:deactivate and every permission of that account. ${RECENT_PROOF} CONFLICT for the last active superuser.`,
  })
  async setUserActive(
    @Arg('userId', () => ID) userId: string,
    @Arg('active', () => Boolean) active: boolean,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    await this.deps.administration.setActive(em, caller, { userId, active }, source);
    return found(await readAccount(em, userId));
  }

  @Authorize({ permission: SessionPermission.REVOKE })
  @Mutation(() => Int, {
    description:
      'Ends every session of an account; tells how many. Needs the permission session:revoke and every permission of that account. To end sessions is always safe, so no recent authentication is asked for.',
  })
  revokeUserSessions(
    @Arg('userId', () => ID) userId: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<number> {
    return this.deps.administration.endSessions(em, caller, userId, source);
  }

  @Authorize({ permission: SessionPermission.REVOKE })
  @Mutation(() => Boolean, {
    description:
      'Ends one session of an account now: its tokens are refused at once, in every process. userSessions lists them. Needs the permission session:revoke and every permission of that account. To end sessions is always safe, so no recent authentication is asked for. NOT_FOUND for a session that the account does not have.',
  })
  async revokeUserSession(
    @Arg('userId', () => ID) userId: string,
    @Arg('sessionId', () => ID) sessionId: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.endSession(em, caller, { userId, sessionId }, source);
    return true;
  }

  @AuthorizeChange(UserPermission.CREATE)
  @Mutation(() => UserType, {
    description: `Makes an account. Without a password its owner gets a link by mail to set one. Needs the permission user:create, and what grantRole needs for its roles. ${RECENT_PROOF} BAD_USER_INPUT names the fields that were refused; CONFLICT a username or an e-mail address that is taken.`,
  })
  async createUser(
    @Arg('input', () => CreateUserInput) input: CreateUserInput,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    const { id } = await this.deps.creation.create(em, caller, input, source);
    return found(await readAccount(em, id));
  }

  @AuthorizeChange(UserPermission.UPDATE)
  @Mutation(() => UserType, {
    description: `Changes username, display name and e-mail address of an account: everything that is given, or nothing. The old address is told of a change, with an undo link for 72 hours where it was confirmed; sessions go on. Needs the permission user:update and every permission of that account. ${RECENT_PROOF} BAD_USER_INPUT names the fields that were refused, and the id where it is an address of one's own account: use changeEmail. CONFLICT for a username or an e-mail address that is taken.`,
  })
  async updateUser(
    @Arg('input', () => UpdateUserInput) input: UpdateUserInput,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    await this.deps.updates.update(em, caller, input, source);
    return found(await readAccount(em, input.id));
  }

  @AuthorizeChange(UserPermission.DELETE)
  @Mutation(() => Boolean, {
    description: `Removes an account and everything personal, for good, as deleteAccount does for its owner, who gets a last mail. Its sessions end at once. Needs the permission user:delete and every permission of that account. ${RECENT_PROOF} CONFLICT for the last active superuser, BAD_USER_INPUT for one's own account.`,
  })
  async deleteUser(
    @Arg('userId', () => ID) userId: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.delete(em, caller, userId, source);
    return true;
  }

  @AuthorizeChange(FactorPermission.REMOVE)
  @Mutation(() => UserType, {
    description: `Removes every second factor of an account with its recovery codes, for an owner who lost them; its sessions end at once, and the owner is told by mail. Verify first that the request comes from the owner. Needs the permission factor:remove and every permission of that account. ${RECENT_PROOF} Changes nothing where there is none; BAD_USER_INPUT for one's own account.`,
  })
  async removeSecondFactor(
    @Arg('userId', () => ID) userId: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    await this.deps.administration.removeSecondFactor(em, caller, userId, source);
    return found(await readAccount(em, userId));
  }

  @AuthorizeChange(UserPermission.UNLOCK)
  @Mutation(() => Boolean, {
    description: `Mails the owner of an account a link to set a new password, which works once and for 24 hours. Nothing changes until it is used. Needs the permission user:unlock and every permission of that account. ${RECENT_PROOF} CONFLICT for an account without an e-mail address, and for one that an administrator deactivated. RATE_LIMITED after five in an hour for one account.`,
  })
  async sendPasswordReset(
    @Arg('userId', () => ID) userId: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.sendPasswordReset(em, caller, userId, source);
    return true;
  }

  @AuthorizeChange(UserPermission.UNLOCK)
  @Mutation(() => Boolean, {
    description: `Gives an account that guessing has locked every guess back: at its password, by username and by address, in its sessions and on its known devices, and at its second factor. Passwords, sessions and limits of networks stay as they are. Needs the permission user:unlock and every permission of that account. ${RECENT_PROOF} BAD_USER_INPUT for one's own account. RATE_LIMITED after ten in an hour for one account.`,
  })
  async unlockUser(
    @Arg('userId', () => ID) userId: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.deps.administration.unlock(em, caller, userId, source);
    return true;
  }
}

const find = async (em: EntityManager, id: string): Promise<UserType | null> =>
  isId(id) ? readAccount(em, id) : null;

/** An account that was there a moment ago. */
function found(account: UserType | null): UserType {
  if (!account) throw new NotFound();
  return account;
}
