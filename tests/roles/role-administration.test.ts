import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestOptions } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  CreateRoleDocument,
  DeleteRoleDocument,
  GrantRoleDocument,
  RevokeRoleDocument,
  RoleDocument,
  RolesDocument,
  SetUserActiveDocument,
  UpdateRoleDocument,
  type UpdateRoleMutationVariables,
} from '../support/generated/operations.ts';
import { eventually } from '../support/race.ts';
import { aRole, aSuperuser, grant, staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
let second: TestGateway;
let root: Subject & { tokens: Tokens };

beforeAll(async () => {
  gateway = await TestGateway.start();
  second = await gateway.another();
  root = await aSuperuser(gateway);
});
afterAll(async () => {
  await second.close();
  await gateway.close();
});

const by = ({ tokens }: { tokens: Tokens }): RequestOptions => ({ bearer: tokens.accessToken });
const create = (who: { tokens: Tokens }, name: string, permissions: string[] = []) =>
  gateway.client.execute(CreateRoleDocument, { input: { name, permissions } }, by(who));
const update = (who: { tokens: Tokens }, input: UpdateRoleMutationVariables['input']) =>
  gateway.client.execute(UpdateRoleDocument, { input }, by(who));
const remove = (who: { tokens: Tokens }, id: string) =>
  gateway.client.execute(DeleteRoleDocument, { id }, by(who));
const give = (who: { tokens: Tokens }, userId: string, role: string) =>
  gateway.client.execute(GrantRoleDocument, { userId, role }, by(who));
const take = (who: { tokens: Tokens }, userId: string, role: string) =>
  gateway.client.execute(RevokeRoleDocument, { userId, role }, by(who));
const events = (action: string) =>
  gateway.database.query<{ subject_id: string | null; outcome: string; details: unknown }>(
    'select subject_id, outcome, details from audit_event where action = $1 order by at, id',
    [action],
  );

describe('a role', () => {
  it('can be created, read, changed and deleted', async () => {
    const made = await create(root, 'clerk', ['invoice.write', 'user:read', 'invoice.write']);
    expect(made.data?.createRole).toMatchObject({
      name: 'clerk',
      permissions: ['invoice.write', 'user:read'],
    });
    const id = made.data?.createRole.id ?? '';
    const changed = await update(root, { id, description: ' Writes invoices. ', permissions: ['user:read'] });
    expect(changed.data?.updateRole).toMatchObject({
      name: 'clerk',
      description: 'Writes invoices.',
      permissions: ['user:read'],
    });
    expect((await update(root, { id, name: 'scribe' })).data?.updateRole).toMatchObject({
      name: 'scribe',
      description: 'Writes invoices.',
      permissions: ['user:read'],
    });
    const read = (name: string) => gateway.client.execute(RoleDocument, { name }, by(root));
    expect((await read('clerk')).data?.role).toBeNull();
    expect(await read('nul\0')).toMatchObject({ data: { role: null }, errors: [] });
    expect((await read('scribe')).data?.role).toMatchObject({ id });
    expect((await remove(root, id)).data?.deleteRole).toBe(true);
    expect((await read('scribe')).data?.role).toBeNull();
    expect((await remove(root, id)).code).toBe('NOT_FOUND');
  });

  it('has a unique name', async () => {
    await create(root, 'taken');
    expect(await create(root, 'taken')).toMatchObject({
      code: 'CONFLICT',
      errors: [{ extensions: { fields: [{ field: 'input.name' }] } }],
    });
    const { id } = await aRole(gateway);
    expect((await update(root, { id, name: 'taken' })).code).toBe('CONFLICT');
    // In a token the two could not be told apart.
    expect(await create(root, 'Taken')).toMatchObject({ code: 'CONFLICT' });
    expect((await update(root, { id, name: 'TAKEN' })).code).toBe('CONFLICT');
  });

  it.each([
    ['a name with a space', { name: 'two words', permissions: [] }, 'input.name'],
    ['a name that is too long', { name: 'x'.repeat(65), permissions: [] }, 'input.name'],
    ['a permission that is not a word', { name: 'odd', permissions: ['user:'] }, 'input.permissions'],
    ['every permission', { name: 'almighty', permissions: ['*'] }, 'input.permissions'],
    ['a long description', { name: 'odd', description: 'x'.repeat(501) }, 'input.description'],
  ])('cannot have %s', async (_, input, field) => {
    const reply = await gateway.client.execute(CreateRoleDocument, { input }, by(root));
    expect(reply).toMatchObject({
      code: 'BAD_USER_INPUT',
      errors: [{ extensions: { fields: [expect.objectContaining({ field })] } }],
    });
  });
});

describe('a grant', () => {
  it('voids the tokens of the user at once, in every process; the next refresh returns the role', async () => {
    const alice = await gateway.aSubject();
    const { accessToken, refreshToken } = await alice.signedIn();
    const role = await aRole(gateway, ['role:read']);
    expect((await give(root, alice.id, role.name)).data?.grantRole).toMatchObject({
      id: alice.id,
      roles: [{ name: role.name }],
      permissions: ['role:read'],
    });
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    await eventually(
      () => alice.me(accessToken, second.client),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
    const renewed = (await alice.refresh(refreshToken, second.client)).data?.refresh.accessToken ?? '';
    const roles = (token: string, client = gateway.client) =>
      client.execute(RolesDocument, {}, { bearer: token });
    expect((await roles(renewed)).errors).toEqual([]);

    await take(root, alice.id, role.name);
    expect((await roles(renewed)).code).toBe('UNAUTHENTICATED');
    await eventually(
      () => roles(renewed, second.client),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
  });

  it('never leaves a valid token with the old rights when it races with refreshes', async () => {
    const role = await aRole(gateway, ['role:read']);
    for (let round = 0; round < 10; round++) {
      const alice = await gateway.aSubject();
      await grant(gateway, alice.id, role.name);
      const { refreshToken } = await alice.signedIn();
      const [renewed] = await Promise.all([
        alice.refresh(refreshToken, round % 2 ? second.client : gateway.client),
        take(root, alice.id, role.name),
      ]);
      const token = renewed.data?.refresh.accessToken ?? '';
      for (const client of [gateway.client, second.client]) {
        await eventually(
          () => client.execute(RolesDocument, {}, { bearer: token }),
          ({ code }) => code === 'UNAUTHENTICATED' || code === 'FORBIDDEN',
          { withinMilliseconds: 1_000 },
        );
      }
    }
  });

  it('changes nothing when it exists already, or is gone already', async () => {
    const alice = await gateway.aSubject();
    const role = await aRole(gateway);
    await give(root, alice.id, role.name);
    const { accessToken } = await alice.signedIn();
    expect((await give(root, alice.id, role.name)).errors).toEqual([]);
    expect((await alice.me(accessToken)).errors).toEqual([]);
    await take(root, alice.id, role.name);
    const again = await alice.signedIn();
    expect((await take(root, alice.id, role.name)).errors).toEqual([]);
    expect((await alice.me(again.accessToken)).errors).toEqual([]);
    expect((await events('role.granted')).filter(({ subject_id }) => subject_id === alice.id)).toHaveLength(
      1,
    );
    expect((await events('role.revoked')).filter(({ subject_id }) => subject_id === alice.id)).toHaveLength(
      1,
    );
  });

  it('needs an existing user and an existing role', async () => {
    const alice = await gateway.aSubject();
    const role = await aRole(gateway);
    for (const none of ['nothing', 'nul\0', '\ud800'])
      expect((await give(root, alice.id, none)).code).toBe('NOT_FOUND');
    expect((await give(root, '01890000-0000-7000-8000-000000000000', role.name)).code).toBe('NOT_FOUND');
    expect((await give(root, 'somebody', role.name)).code).toBe('NOT_FOUND');
  });

  it('is limited to twenty for each user, since every token names all of them', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query(
      `with made as (insert into role (id, name, permissions)
                     select gen_random_uuid(), rpad('long-' || n, 64, 'x'), '{}' from generate_series(1, 20) n returning id)
       insert into role_grant (user_id, role_id) select $1, id from made`,
      [alice.id],
    );
    const role = await aRole(gateway);
    expect((await give(root, alice.id, role.name)).code).toBe('CONFLICT');
    expect((await alice.me((await alice.signedIn()).accessToken)).data?.me?.roles).toHaveLength(20);
  });

  it('does not happen when the audit trail cannot record it', async () => {
    const alice = await gateway.aSubject();
    const role = await aRole(gateway);
    const { accessToken } = await alice.signedIn();
    await gateway.database.query(
      `alter table audit_event add constraint refused check (action <> 'role.granted') not valid`,
    );
    expect((await give(root, alice.id, role.name)).code).toBe('INTERNAL_SERVER_ERROR');
    await gateway.database.query('alter table audit_event drop constraint refused');
    expect((await alice.me(accessToken)).data?.me?.roles).toEqual([]);
  });
});

describe('a change of a role with many users', () => {
  it('updates one row, and takes effect in every process at once', async () => {
    const holder = await staffWith(gateway, ['role:read']);
    const roles = (client: TestGateway['client']) => client.execute(RolesDocument, {}, by(holder));
    const [before] = await gateway.database.query<{ epoch: number }>(
      'select epoch from users where id = $1',
      [holder.id],
    );
    await update(root, { id: holder.role.id, permissions: [] });
    expect((await roles(gateway.client)).code).toBe('FORBIDDEN');
    await eventually(
      () => roles(second.client),
      ({ code }) => code === 'FORBIDDEN',
      { withinMilliseconds: 1_000 },
    );
    await update(root, { id: holder.role.id, permissions: ['role:read'] });
    expect((await roles(gateway.client)).errors).toEqual([]);
    const [after] = await gateway.database.query('select epoch from users where id = $1', [holder.id]);
    expect(after).toEqual(before);
  });

  it('that renames it voids the tokens with the old name, which another role may get', async () => {
    const holder = await staffWith(gateway, []);
    await update(root, { id: holder.role.id, name: `${holder.role.name}-renamed` });
    expect((await create(root, holder.role.name, ['role:read'])).errors).toEqual([]);
    expect((await gateway.client.execute(RolesDocument, {}, by(holder))).code).toBe('UNAUTHENTICATED');
  });

  it('that deletes it removes it from all users and their tokens', async () => {
    const holder = await staffWith(gateway, ['role:read']);
    await remove(root, holder.role.id);
    expect((await create(root, holder.role.name, ['role:read'])).errors).toEqual([]);
    expect((await gateway.client.execute(RolesDocument, {}, by(holder))).code).toBe('UNAUTHENTICATED');
    expect((await holder.me((await holder.signedIn()).accessToken)).data?.me?.roles).toEqual([]);
  });
});

describe('a role with thousands of users', () => {
  it('cannot be renamed, and is removed from all of them when it is deleted', async () => {
    const role = await aRole(gateway);
    await gateway.database.query(
      `with made as (insert into users (id, username, username_key)
                     select gen_random_uuid(), 'mass-' || n, 'mass-' || n from generate_series(1, 5001) n returning id)
       insert into role_grant (user_id, role_id) select id, $1 from made`,
      [role.id],
    );
    expect((await update(root, { id: role.id, name: 'mass' })).code).toBe('CONFLICT');
    expect((await remove(root, role.id)).data?.deleteRole).toBe(true);
    const [left] = await gateway.database.query(
      `select count(*)::int as users, min(epoch) as lowest from users where username like 'mass-%'`,
    );
    expect(left).toEqual({ users: 5001, lowest: 1 });
    expect(await gateway.database.query('select from role_grant where role_id = $1', [role.id])).toEqual([]);
  });
});

describe('escalation of privileges', () => {
  it('is refused: granting, revoking, creating, changing or deleting a role with more permissions than the caller', async () => {
    const admin = await staffWith(gateway, ['role:manage', 'role:grant', 'user:read']);
    const alice = await gateway.aSubject();
    const more = await aRole(gateway, ['user:read', 'kyc:review']);
    await grant(gateway, alice.id, more.name);
    for (const reply of [
      await give(admin, alice.id, more.name),
      await take(admin, alice.id, more.name),
      await create(admin, 'ladder', ['kyc:review']),
      await update(admin, { id: more.id, permissions: ['user:read'] }),
      await update(admin, { id: more.id, name: 'other' }),
      await remove(admin, more.id),
    ])
      expect(reply.code).toBe('FORBIDDEN');
    const less = await create(admin, 'within-reach', ['user:read']);
    expect(less.errors).toEqual([]);
    const id = less.data?.createRole.id ?? '';
    expect((await update(admin, { id, permissions: ['user:read', 'kyc:review'] })).code).toBe('FORBIDDEN');
    expect((await give(admin, alice.id, 'within-reach')).errors).toEqual([]);
    expect((await take(admin, alice.id, 'within-reach')).errors).toEqual([]);
    expect((await remove(admin, id)).errors).toEqual([]);
  });

  it('is refused for the role superuser to all other callers', async () => {
    const admin = await staffWith(gateway, ['role:manage', 'role:grant', 'user:deactivate']);
    const alice = await gateway.aSubject();
    const [superuser] = await gateway.database.query<{ id: string }>(
      `select id from role where name = 'superuser'`,
    );
    const id = superuser?.id ?? '';
    for (const reply of [
      await give(admin, alice.id, 'superuser'),
      await give(admin, admin.id, 'superuser'),
      await take(admin, root.id, 'superuser'),
      await update(admin, { id, description: 'mine' }),
      await remove(admin, id),
      await gateway.client.execute(SetUserActiveDocument, { userId: root.id, active: false }, by(admin)),
    ])
      expect(reply.code).toBe('FORBIDDEN');
  });

  it('is refused: granting oneself a role, or changing a role that one has', async () => {
    const admin = await staffWith(gateway, ['role:manage', 'role:grant']);
    const harmless = await aRole(gateway);
    expect((await give(admin, admin.id, harmless.name)).code).toBe('FORBIDDEN');
    expect((await update(admin, { id: admin.role.id, permissions: ['role:grant'] })).code).toBe('FORBIDDEN');
    expect((await remove(admin, admin.role.id)).code).toBe('FORBIDDEN');
  });

  it('is audited once for each refusal, with the account that it would have affected', async () => {
    const admin = await staffWith(gateway, ['role:grant']);
    const alice = await gateway.aSubject();
    const more = await aRole(gateway, ['kyc:review']);
    await give(admin, alice.id, more.name);
    const recorded = (await events('operation.denied')).filter(({ subject_id }) => subject_id === alice.id);
    expect(recorded).toEqual([
      { subject_id: alice.id, outcome: 'DENIED', details: { operation: 'grantRole' } },
    ]);
  });

  it('is refused by the current roles, even when the token still names a lost role', async () => {
    const admin = await staffWith(gateway, ['role:grant']);
    const alice = await gateway.aSubject();
    const role = await aRole(gateway);
    // Written to the database directly without a revocation, so the token is still accepted.
    await gateway.database.query('delete from role_grant where user_id = $1', [admin.id]);
    expect((await give(admin, alice.id, role.name)).code).toBe('FORBIDDEN');
  });
});

describe('the role superuser', () => {
  it('cannot be renamed, restricted or deleted, even by superusers', async () => {
    const [superuser] = await gateway.database.query<{ id: string }>(
      `select id from role where name = 'superuser'`,
    );
    const id = superuser?.id ?? '';
    expect((await update(root, { id, name: 'boss' })).code).toBe('CONFLICT');
    expect((await update(root, { id, permissions: ['user:read'] })).code).toBe('CONFLICT');
    expect((await remove(root, id)).code).toBe('CONFLICT');
    expect((await create(root, 'SuperUser')).code).toBe('CONFLICT');
    expect((await update(root, { id, description: 'May do everything.' })).errors).toEqual([]);
  });

  it('includes permissions that are defined only by roles', async () => {
    await aRole(gateway, ['warehouse:open']);
    const me = await root.me(root.tokens.accessToken);
    expect(me.data?.me?.permissions).toEqual(expect.arrayContaining(['warehouse:open', 'audit:read']));
  });
});

describe('an administrator', () => {
  it('must prove who they are again after fifteen minutes to change something', async () => {
    const role = await aRole(gateway);
    const admin = await aSuperuser(gateway);
    gateway.clock.advance(901);
    const late = await give(admin, root.id, role.name);
    const looking = await gateway.client.execute(RolesDocument, {}, by(admin));
    gateway.clock.advance(-901);
    expect(late).toMatchObject({
      code: 'REAUTHENTICATION_REQUIRED',
      errors: [{ extensions: { maxAgeSeconds: 900 } }],
    });
    expect(looking.errors).toEqual([]);
  });
});
