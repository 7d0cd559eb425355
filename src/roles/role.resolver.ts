import type { EntityManager } from '@mikro-orm/postgresql';
import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { readAccount, UserType } from '../accounts/index.ts';
import { preparedStatement, sql } from '../platform/database/index.ts';
import { NotFound } from '../platform/errors.ts';
import {
  Authorize,
  AuthorizeChange,
  batched,
  RECENT_AUTHENTICATION,
  type RequestContext,
} from '../platform/request/index.ts';
import type { PermissionTable } from './permission-table.ts';
import { RolePermission } from './permissions.ts';
import { Role } from './role.entity.ts';
import { CreateRoleInput, RoleType, UpdateRoleInput } from './role.types.ts';
import type { RoleAdministration } from './role-administration.ts';
import type { RoleGrants } from './role-grants.ts';
import { isRoleName } from './role-validation.ts';

/** Operations on roles, and the fields about roles of a user. */
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
    description: 'One role. Null for an unknown name. Needs the permission role:read.',
  })
  async role(
    @Arg('name', () => String) name: string,
    @Ctx() { em }: RequestContext,
  ): Promise<RoleType | null> {
    return isRoleName(name) ? em.findOne(Role, { name }) : null;
  }

  @AuthorizeChange(RolePermission.MANAGE)
  @Mutation(() => RoleType, {
    description: `Creates a role. Needs the permission role:manage and every permission of the new role. ${RECENT_AUTHENTICATION} CONFLICT for a name that is taken.`,
  })
  createRole(
    @Arg('input', () => CreateRoleInput) input: CreateRoleInput,
    @Ctx() context: RequestContext,
  ): Promise<RoleType> {
    return this.administration.create(context, input);
  }

  @AuthorizeChange(RolePermission.MANAGE)
  @Mutation(() => RoleType, {
    description: `Changes a role. New permissions take effect at once for all its holders. Needs the permission role:manage, and every permission of the role before and after the change. Only a superuser may change a role that they have themselves. ${RECENT_AUTHENTICATION} CONFLICT for a name that is taken. CONFLICT for a change of the name or permissions of superuser.`,
  })
  updateRole(
    @Arg('input', () => UpdateRoleInput) input: UpdateRoleInput,
    @Ctx() context: RequestContext,
  ): Promise<RoleType> {
    return this.administration.update(context, input);
  }

  @AuthorizeChange(RolePermission.MANAGE)
  @Mutation(() => Boolean, {
    description:
      'Deletes a role and revokes it from all its holders at once. Needs the same permissions as updateRole. CONFLICT for superuser.',
  })
  async deleteRole(@Arg('id', () => ID) id: string, @Ctx() context: RequestContext): Promise<boolean> {
    await this.administration.delete(context, id);
    return true;
  }

  @AuthorizeChange(RolePermission.GRANT)
  @Mutation(() => UserType, {
    description: `Grants a role to a user. Every process refuses the user's access tokens at once; the next refresh issues one with the role. Needs the permission role:grant and every permission of the role. Only a superuser may grant a role to themselves. ${RECENT_AUTHENTICATION} Changes nothing when the user has the role. CONFLICT when the user would have more than 20 roles.`,
  })
  async grantRole(
    @Arg('userId', () => ID) userId: string,
    @Arg('role', () => String, { description: 'The name of the role, in the exact case.' }) role: string,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    await this.grants.grant(context, { userId, role });
    return found(await readAccount(context.em, userId));
  }

  @AuthorizeChange(RolePermission.GRANT)
  @Mutation(() => UserType, {
    description: `Revokes a role of a user. Every process refuses the user's access tokens at once. Needs the permission role:grant and every permission of the role. ${RECENT_AUTHENTICATION} Changes nothing when the user does not have the role. CONFLICT for the last active superuser.`,
  })
  async revokeRole(
    @Arg('userId', () => ID) userId: string,
    @Arg('role', () => String, { description: 'The name of the role, in the exact case.' }) role: string,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    await this.grants.revoke(context, { userId, role });
    return found(await readAccount(context.em, userId));
  }

  @FieldResolver(() => [RoleType], { name: 'roles', description: 'The roles of the user, by name.' })
  async rolesOfUser(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<RoleType[]> {
    return (await rolesOf(context, id)) ?? [];
  }

  @FieldResolver(() => [String], {
    description: 'The permissions of all roles of the user together, sorted.',
  })
  async permissions(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<string[]> {
    const roles = (await rolesOf(context, id)) ?? [];
    return this.table.permissionsOf(roles.map(({ name }) => name));
  }
}

/** Runs one written statement for all users of a page. Entities with a collection cost several times as much. */
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

/** Returns an account that existed before this request changed it. @throws {NotFound} it was deleted meanwhile. */
function found(account: UserType | null): UserType {
  if (!account) throw new NotFound();
  return account;
}
