import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ConfirmEmailDocument,
  CreateUserDocument,
  type CreateUserMutationVariables,
  LoginDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { aRole, aSuperuser, grant, staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
let admin: Subject & { tokens: Tokens };
beforeAll(async () => {
  gateway = await TestGateway.start();
  admin = await staffWith(gateway, ['user:create']);
});
afterAll(() => gateway.close());

const password = 'copper lantern drifting';
let names = 0;
const create = (
  input: Partial<CreateUserMutationVariables['input']> = {},
  who: { tokens: Tokens } = admin,
  at = gateway,
) => {
  names += 1;
  return at.client.execute(
    CreateUserDocument,
    { input: { username: `made-${names}`, ...input } },
    { bearer: who.tokens.accessToken },
  );
};
const login = async (identifier: string, secret = password, at = gateway) =>
  (await at.client.execute(LoginDocument, { input: { identifier, password: secret } })).code;
const fieldsOf = ({ errors }: { errors: readonly { extensions?: Record<string, unknown> }[] }) =>
  ((errors[0]?.extensions?.fields ?? []) as { field: string }[]).map(({ field }) => field);

describe('an account that an administrator creates', () => {
  it('signs in with its password, with or without an address, and its creation is audited', async () => {
    const { data } = await create({ username: 'made-alone', displayName: 'Made Alone', password });
    expect(data?.createUser).toMatchObject({
      username: 'made-alone',
      displayName: 'Made Alone',
      email: null,
      emailConfirmed: false,
      hasPassword: true,
      isActive: true,
      roles: [],
    });
    expect(await login('made-alone')).toBeUndefined();
    const events = await gateway.database.query(
      'select action, actor_id, details from audit_event where subject_id = $1 and actor_id <> $1',
      [data?.createUser.id],
    );
    expect(events).toEqual([
      { action: 'account.created', actor_id: admin.id, details: { emailConfirmed: false, password: true } },
    ]);
  });

  it('without a password gets a link, good for 24 hours, that sets one and confirms the address', async () => {
    const email = 'invited@example.test';
    const { data } = await create({ username: 'invited.person', email });
    expect(data?.createUser).toMatchObject({ email, emailConfirmed: false, hasPassword: false });
    expect(await login('invited.person')).toBe('INVALID_CREDENTIALS');
    const token = await gateway.mailbox.token(email, 'reset-password');
    const [mail, ...others] = await gateway.mailbox.to(email);
    expect(others).toEqual([]);
    expect(mail?.text).toContain('24 hours');
    const reset = await gateway.client.execute(ResetPasswordDocument, { token, newPassword: password });
    expect(reset.errors).toEqual([]);
    expect(await login(email)).toBeUndefined();
    const [row] = await gateway.database.query(
      'select email_confirmed_at is not null as confirmed from users where id = $1',
      [data?.createUser.id],
    );
    expect(row).toEqual({ confirmed: true });
  });

  it('with a password confirms its address by a mailed link, unless the administrator vouches for it', async () => {
    const [email, vouched] = ['unproved@example.test', 'vouched@example.test'];
    await create({ email, password });
    const token = await gateway.mailbox.token(email, 'confirm-email');
    const confirmed = await gateway.client.execute(ConfirmEmailDocument, { token, password });
    expect(confirmed.data?.confirmEmail.emailConfirmed).toBe(true);
    const { data } = await create({ email: vouched, emailConfirmed: true, password });
    expect(data?.createUser.emailConfirmed).toBe(true);
    await gateway.mailbox.settled();
    expect(await gateway.mailbox.to(vouched)).toEqual([]);
  });

  it('may have a reserved name', async () => {
    expect((await create({ username: 'admin', password })).errors).toEqual([]);
  });

  it.each([
    ['no password and no address', {}, ['input.email']],
    ['a vouched address that is missing', { password, emailConfirmed: true }, ['input.emailConfirmed']],
    ['a weak password', { password: 'password1234' }, ['input.password']],
    ['a short name and password', { username: 'x', password: 'short' }, ['input.username', 'input.password']],
    ['an unknown role', { password, roles: ['no-such-role'] }, ['input.roles']],
  ])('is refused for %s, with the names of the fields', async (_, input, fields) => {
    const reply = await create(input, await aSuperuser(gateway));
    expect(reply.code).toBe('BAD_USER_INPUT');
    expect(fieldsOf(reply)).toEqual(fields);
  });

  it('is refused for a taken username or address, with the name of the field', async () => {
    const alice = await gateway.aSubject();
    const byName = await create({ username: alice.username.toUpperCase(), password });
    expect([byName.code, fieldsOf(byName)]).toEqual(['CONFLICT', ['input.username']]);
    const byAddress = await create({ email: alice.email.toUpperCase(), password });
    expect([byAddress.code, fieldsOf(byAddress)]).toEqual(['CONFLICT', ['input.email']]);
  });

  it('is created once for several requests at once', async () => {
    const input = { username: 'made-once', email: 'made-once@example.test', password };
    const replies = await race(5, () => create(input));
    expect(replies.filter(({ data }) => data)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'CONFLICT')).toHaveLength(4);
  });
});

describe('the roles of an account that an administrator creates', () => {
  it('are limited to those that the administrator may grant', async () => {
    const helper = await staffWith(gateway, ['user:create', 'role:grant', 'session:read']);
    const [small, large] = [await aRole(gateway, ['session:read']), await aRole(gateway, ['session:revoke'])];
    const made = await create({ password, roles: [small.name, small.name] }, helper);
    expect(made.data?.createUser.roles).toEqual([{ name: small.name }]);
    const id = made.data?.createUser.id;
    const events = await gateway.database.query(
      `select actor_id, details from audit_event where action = 'role.granted' and subject_id = $1`,
      [id],
    );
    expect(events).toEqual([{ actor_id: helper.id, details: { role: small.name } }]);
    for (const roles of [[large.name], ['superuser'], [small.name, large.name]]) {
      const input = { username: 'never-made', password, roles };
      expect((await create(input, helper)).code).toBe('FORBIDDEN');
    }
    expect((await create({ username: 'never-made', password, roles: [small.name] })).code).toBe('FORBIDDEN');
    expect(await login('never-made')).toBe('INVALID_CREDENTIALS');
  });

  it('are judged by what the administrator may do at that moment', async () => {
    const helper = await staffWith(gateway, ['user:create']);
    const extra = await aRole(gateway, ['role:grant', 'session:read']);
    await grant(gateway, helper.id, extra.name);
    const tokens = await helper.signedIn();
    // Written to the database directly, so the token still names the role.
    await gateway.database.query('delete from role_grant where user_id = $1 and role_id = $2', [
      helper.id,
      extra.id,
    ]);
    const reader = await aRole(gateway, ['session:read']);
    expect((await create({ password, roles: [reader.name] }, { tokens })).code).toBe('FORBIDDEN');
  });

  it('are at most twenty', async () => {
    const root = await aSuperuser(gateway);
    const roles: string[] = [];
    for (let n = 0; n < 21; n += 1) roles.push((await aRole(gateway)).name);
    const reply = await create({ password, roles }, root);
    expect([reply.code, fieldsOf(reply)]).toEqual(['BAD_USER_INPUT', ['input.roles']]);
    expect((await create({ password, roles: roles.slice(1) }, root)).errors).toEqual([]);
  });
});

describe('with EMAIL_CONFIRMATION=required', () => {
  it('lets an account sign in once its address is confirmed, and at once when an administrator vouches for it', async () => {
    const strict = await gateway.another({ EMAIL_CONFIRMATION: 'required' });
    try {
      const [email, vouched] = ['strict@example.test', 'strict-vouched@example.test'];
      await create({ username: 'strict-one', email, password }, admin, strict);
      expect(await login('strict-one', password, strict)).toBe('EMAIL_NOT_CONFIRMED');
      const token = await gateway.mailbox.token(email, 'confirm-email');
      await strict.client.execute(ConfirmEmailDocument, { token, password });
      expect(await login('strict-one', password, strict)).toBeUndefined();
      await create({ username: 'strict-two', email: vouched, emailConfirmed: true, password }, admin, strict);
      expect(await login('strict-two', password, strict)).toBeUndefined();
    } finally {
      await strict.close();
    }
  });
});
