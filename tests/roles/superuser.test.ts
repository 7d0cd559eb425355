import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GATEWAY_PERMISSIONS } from '../../src/modules.ts';
import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import { TestGateway } from '../support/gateway.ts';
import { RolesDocument } from '../support/generated/operations.ts';
import { eventually, race } from '../support/race.ts';

let gateway: TestGateway;
let second: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
  second = await gateway.another();
});
afterAll(async () => {
  await second.close();
  await gateway.close();
});

const PASSWORD = 'velvet anchor rising';
const create = (email: string, username?: string) =>
  gateway.gateway.superusers.create(
    gateway.gateway.fork(),
    { email, username, password: async () => PASSWORD },
    COMMAND_LINE,
  );

describe('a superuser', () => {
  it('is created with account and role, is confirmed, and may do everything', async () => {
    const made = await create('first@example.test');
    expect(made).toMatchObject({ accountCreated: true, roleGranted: true });
    const reply = await gateway.client.raw(
      `mutation { login(input: {identifier: "first", password: "${PASSWORD}"}) { ... on Authenticated {
         accessToken user { emailConfirmed roles { name permissions } permissions } } } }`,
    );
    const { accessToken, user } = Object(reply.data?.login) as { accessToken: string; user: unknown };
    expect(user).toEqual({
      emailConfirmed: true,
      roles: [{ name: 'superuser', permissions: ['*'] }],
      permissions: [...GATEWAY_PERMISSIONS].sort(),
    });
    const roles = await gateway.client.execute(RolesDocument, {}, { bearer: accessToken });
    expect(roles.data?.roles.map(({ name }) => name)).toEqual(['superuser']);
  });

  it('is named by the text before the @, without separators at its ends', async () => {
    const { user } = await create('_grace.hopper-@example.test');
    expect(user.username).toBe('grace.hopper');
  });

  it('is not created with a weak password, and the reason can be shown before a new try', async () => {
    const reasons: (string | null)[] = [];
    const made = await gateway.gateway.superusers.create(
      gateway.gateway.fork(),
      {
        email: 'weak@example.test',
        username: undefined,
        password: async (problemOf) => {
          for (const claimed of ['short', 'weak@example.test', PASSWORD]) reasons.push(problemOf(claimed));
          return PASSWORD;
        },
      },
      COMMAND_LINE,
    );
    expect(reasons).toEqual([
      expect.stringMatching(/^Use at least \d+ characters/),
      expect.stringMatching(/^The password must not contain your/),
      null,
    ]);
    expect(made.accountCreated).toBe(true);
    const refused = gateway.gateway.superusers.create(
      gateway.gateway.fork(),
      { email: 'piped@example.test', username: undefined, password: async () => 'short' },
      COMMAND_LINE,
    );
    await expect(refused).rejects.toMatchObject({ fields: [{ field: 'input.password' }] });
  });

  it('is one account with one grant when it is created twenty times at once', async () => {
    const made = await race(20, () => create('racer@example.test'));
    expect(made.filter((result) => result.accountCreated)).toHaveLength(1);
    expect(made.filter((result) => result.roleGranted)).toHaveLength(1);
    const grants = await gateway.database.query(
      `select from role_grant g join users u on u.id = g.user_id where u.email_key = 'racer@example.test'`,
    );
    expect(grants).toHaveLength(1);
  });

  it('can be an existing account, whose password stays; its tokens without the role end at once, in every process', async () => {
    const alice = await gateway.aSubject();
    const { accessToken, refreshToken } = await alice.signedIn();
    expect((await gateway.client.execute(RolesDocument, {}, { bearer: accessToken })).code).toBe('FORBIDDEN');
    expect(await create(alice.email, alice.username)).toMatchObject({
      accountCreated: false,
      roleGranted: true,
    });
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    await eventually(
      () => alice.me(accessToken, second.client),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
    const renewed = (await alice.refresh(refreshToken, second.client)).data?.refresh.accessToken ?? '';
    expect((await second.client.execute(RolesDocument, {}, { bearer: renewed })).errors).toEqual([]);
    expect(await create(alice.email, alice.username)).toMatchObject({
      accountCreated: false,
      roleGranted: false,
    });
  });

  it('cannot be an existing account whose address was never confirmed, since it may belong to another person', async () => {
    const mallory = await gateway.aSubject();
    await expect(create(mallory.email)).rejects.toThrow(`never confirmed it`);
    await expect(create(mallory.email, 'the-chief')).rejects.toThrow(`is called ${mallory.username}`);
    expect((await mallory.login()).data?.login).toMatchObject({ user: { username: mallory.username } });
    const grants = await gateway.database.query('select from role_grant where user_id = $1', [mallory.id]);
    expect(grants).toEqual([]);
  });

  it('can be an existing account with a confirmed address, unless it is deactivated', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query('update users set email_confirmed_at = now() where id = $1', [alice.id]);
    expect(await create(alice.email)).toMatchObject({ accountCreated: false, roleGranted: true });
    await gateway.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [alice.id]);
    await expect(create(alice.email)).rejects.toThrow('is deactivated');
  });
});

describe('permissions of a role', () => {
  it('are reread by every process when they change, even when the first attempt fails', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query(
      `with made as (insert into role (id, name, permissions) values (gen_random_uuid(), 'auditor', '{}') returning id)
       insert into role_grant (user_id, role_id) select $1, id from made`,
      [alice.id],
    );
    const { accessToken } = await alice.signedIn();
    const roles = () => second.client.execute(RolesDocument, {}, { bearer: accessToken });
    expect((await roles()).code).toBe('FORBIDDEN');
    await gateway.database.query(
      `with changed as (update role set permissions = '{role:read}' where name = 'auditor')
       insert into ending (kind, matters_until, kept_until) values ('ROLES', now() + interval '1 hour', now() + interval '1 hour')`,
    );
    await eventually(roles, ({ errors }) => errors.length === 0, { withinMilliseconds: 1_500 });

    await gateway.database.query('revoke select on role from gatehouse_app');
    await gateway.database.query(
      `with changed as (update role set permissions = '{}' where name = 'auditor')
       insert into ending (kind, matters_until, kept_until) values ('ROLES', now() + interval '1 hour', now() + interval '1 hour')`,
    );
    await eventually(
      async () => second.logLines.filter((line) => line.includes('revocations cannot be read')),
      (lines) => lines.length > 0,
    );
    await gateway.database.query('grant select on role to gatehouse_app');
    await eventually(roles, ({ code }) => code === 'FORBIDDEN', { withinMilliseconds: 1_500 });
  });
});
