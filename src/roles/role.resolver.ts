import type { EntityManager } from '@mikro-orm/postgresql';
import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { readAccount, UserType } from '../accounts/index.ts';
import { preparedStatement, sql } from '../platform/database/index.ts';
import { NotFound } from '../platform/errors.ts';
import {
  Authorize,
  AuthorizeChange,
  batched,
  type Caller,
  CurrentCaller,
  RECENT_PROOF,
  type RequestContext,
} from '../platform/request/index.ts';
import type { PermissionTable } from './permission-table.ts';
import { RolePermission } from './permissions.ts';
import { Role } from './role.entity.ts';
import { CreateRoleInput, RoleType, UpdateRoleInput } from './role.types.ts';
import type { RoleAdministration } from './role-administration.ts';
import type { RoleGrants } from './role-grants.ts';
import { isRoleName } from './role-validation.ts';

/** Roles, and what they add to a user. */
@Resolver(() => UserType)
export class RoleResolver {
  constructor(
    private readonly table: PermissionTable,
    private readonly administration: RoleAdministration,
    private readonly grants: RoleGrants,
  ) {}

  @Authorize({ permission: RolePermission.READ })
  @Query(() => [RoleType], { description: 'Every role, by name. Needs the permission role:read.' })
  roles(@Ctx() { em }: RequestContext): Promise<RoleType[]> {
    return em.find(Role, {}, { orderBy: { name: 'asc' } });
  }

  @Authorize({ permission: RolePermission.READ })
  @Query(() => RoleType, {
    nullable: true,
    description: 'One role; null for an unknown name. Needs the permission role:read.',
  })
  async role(
    @Arg('name', () => String) name: string,
    @Ctx() { em }: RequestContext,
  ): Promise<RoleType | null> {
    return isRoleName(name) ? em.findOne(Role, { name }) : null;
  }

  @AuthorizeChange(RolePermission.MANAGE)
  @Mutation(() => RoleType, {
    description: `Makes a role. Needs the permission role:manage, and every permission that the role is to have. ${RECENT_PROOF} CONFLICT for a name that is taken.`,
  })
  createRole(
    @Arg('input', () => CreateRoleInput) input: CreateRoleInput,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<RoleType> {
    return this.administration.create(em, caller, input, source);
  }

  @AuthorizeChange(RolePermission.MANAGE)
  @Mutation(() => RoleType, {
    description: `Changes a role; new permissions hold at once for everybody who has it. Needs the permission role:manage, and every permission that the role has and is to have; who is not a superuser changes no role that they have themselves. ${RECENT_PROOF} CONFLICT for a name that is taken, and for the name and permissions of superuser.`,
  })
  updateRole(
    @Arg('input', () => UpdateRoleInput) input: UpdateRoleInput,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<RoleType> {
    return this.administration.update(em, caller, input, source);
  }

  @AuthorizeChange(RolePermission.MANAGE)
  @Mutation(() => Boolean, {
    description:
      'Deletes a role and takes it from everybody who has it, at once. Needs what updateRole needs. CONFLICT for superuser.',
  })
  async deleteRole(
    @Arg('id', () => ID) id: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.administration.delete(em, caller, id, source);
    return true;
  }

  @AuthorizeChange(RolePermission.GRANT)
  @Mutation(() => UserType, {
    description: `Gives a user a role. Their access tokens are void at once, everywhere; the next refresh brings one with the role. Needs the permission role:grant, and every permission of the role; only a superuser may mean themselves. ${RECENT_PROOF} Changes nothing when the user has it; CONFLICT when they would have more than 20.`,
  })
  async grantRole(
    @Arg('userId', () => ID) userId: string,
    @Arg('role', () => String, { description: 'Its name, exactly as it is written.' }) role: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    await this.grants.grant(em, caller, { userId, role }, source);
    return found(await readAccount(em, userId));
  }

  @AuthorizeChange(RolePermission.GRANT)
  @Mutation(() => UserType, {
    description: `Takes a role from a user. Their access tokens are void at once, everywhere. Needs the permission role:grant, and every permission of the role. ${RECENT_PROOF} Changes nothing when the user does not have it; CONFLICT for the last active superuser.`,
  })
  async revokeRole(
    @Arg('userId', () => ID) userId: string,
    @Arg('role', () => String, { description: 'Its name, exactly as it is written.' }) role: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    await this.grants.revoke(em, caller, { userId, role }, source);
    return found(await readAccount(em, userId));
  }

  @FieldResolver(() => [RoleType], { name: 'roles', description: 'By name.' })
  async rolesOfUser(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<RoleType[]> {
    return (await rolesOf(context, id)) ?? [];
  }

  @FieldResolver(() => [String], { description: 'Permissions of all roles together, sorted.' })
  async permissions(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<string[]> {
    const roles = (await rolesOf(context, id)) ?? [];
    return this.table.permissionsOf(roles.map(({ name }) => name));
  }
}

/** One written statement for all users of a page: entities with a collection cost several times as much. */
const rolesOf = batched(async (em: EntityManager, userIds) => {
  const rows = await preparedStatement(
    em,
    sql<Omit<RoleType, 'createdAt'> & { created_at: string; user_id: string }>`
      select g.user_id, r.id, r.name, r.description, r.permissions, r.created_at
      from role_grant g join role r on r.id = g.role_id
      where g.user_id = any(${[...userIds]}::uuid[]) order by r.name`,
  );
  const roles = new Map<string, RoleType[]>();
  for (const { user_id, created_at, ...role } of rows) {
    const ofUser = roles.get(user_id) ?? [];
    roles.set(user_id, ofUser);
    ofUser.push({ ...role, createdAt: new Date(created_at) });
  }
  return roles;
});

/** An account that was there a moment ago. */
function found(account: UserType | null): UserType {
  if (!account) throw new NotFound();
  return account;
}
