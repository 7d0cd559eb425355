import { Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import { UserType } from '../accounts/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { Authorize, type RequestContext } from '../platform/request/index.ts';
import type { PermissionTable } from './permission-table.ts';
import { RolePermission } from './permissions.ts';
import { Role } from './role.entity.ts';
import { RoleType } from './role.types.ts';

/** Roles, and what they add to a user. */
@Resolver(() => UserType)
export class RoleResolver {
  constructor(private readonly table: PermissionTable) {}

  @Authorize({ permission: RolePermission.READ })
  @Query(() => [RoleType], { description: 'Every role, by name. Needs the permission role:read.' })
  roles(@Ctx() { em }: RequestContext): Promise<RoleType[]> {
    return em.find(Role, {}, { orderBy: { name: 'asc' } });
  }

  @FieldResolver(() => [RoleType], { name: 'roles', description: 'By name.' })
  rolesOfUser(@Root() { id }: UserType, @Ctx() { em }: RequestContext): Promise<RoleType[]> {
    return rolesOf(em, id);
  }

  @FieldResolver(() => [String], { description: 'Permissions of all roles together, sorted.' })
  async permissions(@Root() { id }: UserType, @Ctx() { em }: RequestContext): Promise<string[]> {
    return this.table.permissionsOf((await rolesOf(em, id)).map(({ name }) => name));
  }
}

/** One written statement: it is asked along with `me`, and entities with a collection cost several times as much. */
async function rolesOf(em: RequestContext['em'], userId: string): Promise<RoleType[]> {
  const rows = await statement(
    em,
    sql<Omit<RoleType, 'createdAt'> & { created_at: string }>`
      select r.id, r.name, r.description, r.permissions, r.created_at
      from role_grant g join role r on r.id = g.role_id
      where g.user_id = ${userId} order by r.name`,
  );
  return rows.map(({ created_at, ...role }) => ({ ...role, createdAt: new Date(created_at) }));
}
