import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { missingUsernameSkeletons } from '../../src/accounts/username-reservation.ts';
import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import { Client, type Reply } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  LoginDocument,
  RegisterDocument,
  type RegisterMutation,
} from '../support/generated/operations.ts';
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
let counter = 0;
const register = (
  input: Partial<{ username: string; email: string; password: string; displayName: string | null }>,
  client = gateway.client,
): Promise<Reply<RegisterMutation>> => {
  counter += 1;
  const unique = { username: `person${counter}`, email: `mail${counter}@example.test`, password: PASSWORD };
  return client.execute(RegisterDocument, { input: { ...unique, ...input } });
};
const fieldsOf = ({ errors }: Reply<unknown>) =>
  (errors[0]?.extensions?.fields as { field: string }[] | undefined)?.map(({ field }) => field);

describe('in production', () => {
  let production: TestGateway;
  beforeAll(async () => {
    production = await gateway.another({
      NODE_ENV: 'production',
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'register.ip=9999/60',
      PASSWORD_BCRYPT_COST: '10',
    });
  });
  afterAll(() => production.close());

  const LOCAL = ['localhost', 'mail', '127.0.0.1', 'mail.localhost', 'corp.internal', 'printer.local'];
  const OTHERS = ['nowhere.invalid', 'nas.home.arpa', 'LOCALHOST'];
  const SPELT_OTHERWISE = ['127.1', '0x7f.1', '0x7f.0x1', 'localhost.localdomain'];

  it.each([...LOCAL, ...OTHERS, ...SPELT_OTHERWISE])(
    'refuses to register an e-mail address at %s',
    async (domain) => {
      const reply = await register({ email: `ada@${domain}` }, production.client);
      expect([reply.code, fieldsOf(reply)]).toEqual(['BAD_USER_INPUT', ['input.email']]);
    },
  );

  it('refuses to change to such an e-mail address', async () => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn({ client: production.client });
    const change = (newEmail: string) =>
      production.client.execute(ChangeEmailDocument, { newEmail, password: alice.password }, { bearer });
    const refused = await change('ada@localhost');
    expect([refused.code, fieldsOf(refused)]).toEqual(['BAD_USER_INPUT', ['newEmail']]);
    expect((await change('ada@moved.example.test')).errors).toEqual([]);
  });

  it('accepts such an address when an operator vouches for it, and in development', async () => {
    const { superusers, fork } = production.gateway;
    await superusers.create(
      fork(),
      { email: 'root@localhost', username: 'first-root', password: async () => PASSWORD },
      COMMAND_LINE,
    );
    expect((await register({ email: 'ada@localhost' })).errors).toEqual([]);
  });
});

describe('register', () => {
  it('makes an account with only the requested fields', async () => {
    const { data } = await register({
      username: 'Jane.Doe',
      email: 'Jane@Example.test',
      displayName: '  Jane Doe ',
    });
    expect(data?.register).toMatchObject({
      username: 'Jane.Doe',
      email: 'Jane@Example.test',
      displayName: 'Jane Doe',
      emailConfirmed: false,
      hasPassword: true,
      isActive: true,
      roles: [],
      permissions: [],
      updatedAt: null,
    });
  });

  it('reports every field that was refused, and none of the values', async () => {
    const reply = await register({ username: 'a', password: 'too short', displayName: 'x'.repeat(65) });
    expect(reply.code).toBe('BAD_USER_INPUT');
    expect(fieldsOf(reply)).toEqual(['input.username', 'input.displayName', 'input.password']);
    expect(reply.text).not.toContain('too short');
  });

  it.each([
    ['too short', 'ab'],
    ['too long', 'a'.repeat(33)],
    ['with an @', 'a@bcd'],
    ['with a space', 'a bcd'],
    ['with a trailing space', 'abcd '],
    ['with a zero-width space', 'ab\u200Bcd'],
    ['with a zero-width joiner', 'ab\u200Dcd'],
    ['with an invisible letter', 'ab\u3164cd'],
    ['with NUL', 'ab\u0000cd'],
    ['with a line break', 'ab\ncd'],
    ['with a lone surrogate', 'ab\uD800cd'],
    ['with a directional override', 'ab\u202Ecd'],
    ['reserved', 'Admin'],
    ['reserved in another form', 'ＳＵＰＥＲＵＳＥＲ'],
    ['reserved except for a Cyrillic a', '\u0430dmin'],
    ['reserved except for a Greek o', 'r\u03BFot'],
    ['reserved except for a Cyrillic o', 'supp\u043Ert'],
    ['reserved except for a dot on the i', 'ADM\u0130N'],
    ['reserved except for a one', 'adm1n'],
    ['reserved except for a dot at its end', 'admin.'],
    ['only dots', '...'],
    ['a letter under 31 marks', `a${'\u0301\u0302'.repeat(15)}\u0303`],
  ])('refuses a username that is %s', async (_, username) => {
    const reply = await register({ username });
    expect([reply.code, fieldsOf(reply)]).toEqual(['BAD_USER_INPUT', ['input.username']]);
  });

  it.each(['Ångström', 'Ольга', '花子さん', 'a_b-c.d', 'नमस्ते'])(
    'accepts the username %s',
    async (username) => {
      expect((await register({ username })).data?.register.username).toBe(username.normalize('NFKC'));
    },
  );

  it.each([
    'not an address',
    'a@',
    '@b.example',
    'a@b@c.example',
    'a b@c.example',
    `${'a'.repeat(300)}@b.example`,
  ])('refuses the address %s and names the field', async (email) => {
    const reply = await register({ email });
    expect([reply.code, fieldsOf(reply)]).toEqual(['BAD_USER_INPUT', ['input.email']]);
  });

  it.each([
    ['CarolName', 'cAROLnAME'],
    ['DaveName', 'ＤａｖｅＮａｍｅ'],
    ['Cafe\u0301Name', 'caf\u00E9name'],
    ['StraßeName', 'STRASSENAME'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος'],
  ])('treats %s and %s as the same username', async (first, other) => {
    expect((await register({ username: first })).errors).toEqual([]);
    const reply = await register({ username: other });
    expect([reply.code, fieldsOf(reply)]).toEqual(['CONFLICT', ['input.username']]);
  });

  it('makes one account for twenty requests at once with spellings of one username, over two processes', async () => {
    const clients = [gateway.client, new Client(second.url)];
    const spellings = ['Racer', 'racer', 'RACER', 'ＲＡＣＥＲ'];
    const replies = await race(20, (index) =>
      register({ username: spellings[index % 4] as string }, clients[index % 2]),
    );
    expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    for (const { code, errors } of replies) if (errors.length > 0) expect(code).toBe('CONFLICT');
  });

  it.each([
    ['wil1iam', 'william'],
    ['Ingrid', 'lngrid'],
    ['bernie', 'bemie'],
    ['\u0441\u0430\u0440\u0435', 'Cape'],
  ])('treats %s as a name that looks like %s, and refuses the second as taken', async (first, other) => {
    expect((await register({ username: first })).errors).toEqual([]);
    const reply = await register({ username: other });
    expect([reply.code, fieldsOf(reply)]).toEqual(['CONFLICT', ['input.username']]);
    const identifier = { input: { identifier: other, password: PASSWORD } };
    expect((await gateway.client.execute(LoginDocument, identifier)).code).toBe('INVALID_CREDENTIALS');
  });

  it('makes one account for twenty requests at once with usernames that look alike, over two processes', async () => {
    const clients = [gateway.client, new Client(second.url)];
    const names = ['paul.mil1er', 'paul.miller', 'Paul.MiIler', 'paul.rniller', 'PAUL.MILLER'];
    const replies = await race(20, (index) =>
      register({ username: names[index % 5] as string }, clients[index % 2]),
    );
    expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    for (const { code, errors } of replies) if (errors.length > 0) expect(code).toBe('CONFLICT');
  });

  it('reserves usernames that look like the one of a pending registration', async () => {
    const strict = await gateway.another({ EMAIL_CONFIRMATION: 'required' });
    try {
      const names = ['col1een', 'colleen', 'coIleen'];
      const replies = await race(9, (index) =>
        register({ username: names[index % 3] as string }, index % 2 ? gateway.client : strict.client),
      );
      expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
      for (const { code, errors } of replies) if (errors.length > 0) expect(code).toBe('CONFLICT');
    } finally {
      await strict.close();
    }
  });

  it('refuses names that look like names of an earlier release, which stay as they are', async () => {
    const [one, other] = [await gateway.aSubject(), await gateway.aSubject()];
    const nameBefore = (id: string, username: string) =>
      gateway.database.query(
        'update users set username = $2, username_key = lower($2), username_skeletons = null where id = $1',
        [id, username],
      );
    await nameBefore(one.id, 'Fe1ix.');
    await nameBefore(other.id, 'felix.');
    const upgraded = await gateway.another();
    try {
      const login = (identifier: string, password: string) =>
        upgraded.client.execute(LoginDocument, { input: { identifier, password } });
      expect((await login('fe1ix.', one.password)).errors).toEqual([]);
      expect((await login('Felix.', other.password)).errors).toEqual([]);
      const rows = await gateway.database.query<{ username_skeletons: string[] }>(
        'select username_skeletons from users where id = any($1)',
        [[one.id, other.id]],
      );
      expect(rows.map((row) => row.username_skeletons)).toEqual([['felix.'], ['felix.']]);

      await nameBefore(one.id, 'ba1thasar');
      await (await gateway.another()).close();
      expect((await register({ username: 'balthasar' })).code).toBe('CONFLICT');
    } finally {
      await upgraded.close();
    }
  });

  it('refuses a name that looks like one that an earlier release wrote while this release was running', async () => {
    const { id } = await gateway.aSubject();
    await gateway.database.query(
      `update users set username = 'me1chior', username_key = 'me1chior', username_skeletons = null where id = $1`,
      [id],
    );
    const names = async () => {
      await missingUsernameSkeletons.sweep(gateway.gateway.fork(), 500);
      return gateway.database.query('select from users where id = $1 and username_skeletons is null', [id]);
    };
    // Housekeeping of the gateway may hold the row at this moment. A sweep then leaves the row to it.
    await eventually(names, (without) => without.length === 0);
    expect((await register({ username: 'melchior' })).code).toBe('CONFLICT');
  });

  it('makes one account for twenty requests at once with one address', async () => {
    const clients = [gateway.client, new Client(second.url)];
    const replies = await race(20, (index) =>
      register({ email: index % 3 ? 'Foo@Example.test' : 'foo@example.TEST' }, clients[index % 2]),
    );
    expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    for (const reply of replies)
      if (reply.errors.length > 0) expect(fieldsOf(reply)).toEqual(['input.email']);
  });

  it.each(['roles', 'id', 'emailConfirmed', 'createdAt', '__proto__', 'constructor', 'epoch', 'isActive'])(
    'refuses the unknown field %s',
    async (field) => {
      const reply = await gateway.client.post({
        query: 'mutation ($input: RegisterInput!) { register(input: $input) { id } }',
        variables: JSON.parse(
          `{"input":{"username":"mass${counter++}","email":"mass@example.test","password":"${PASSWORD}","${field}":["x"]}}`,
        ),
      });
      expect(reply.status).toBe(400);
      expect(reply.data?.['register' as never] ?? null).toBeNull();
    },
  );

  it('writes the audit event in the same transaction, without username or address', async () => {
    const { data } = await register({ email: 'audited@example.test' });
    const [event] = await gateway.database.query('select * from audit_event where subject_id = $1', [
      data?.register.id,
    ]);
    expect(event).toMatchObject({
      action: 'account.registered',
      actor_id: data?.register.id,
      ip_address: '127.0.0.1',
    });
    expect(JSON.stringify(event)).not.toContain('audited');
  });

  it('stores no form of the password that allows fast guessing', async () => {
    const [one, two] = [await register({}), await register({})];
    const rows = await gateway.database.query<{ hash: string }>(
      'select hash from password_credential where user_id = any($1)',
      [[one.data?.register.id, two.data?.register.id]],
    );
    expect(new Set(rows.map(({ hash }) => hash)).size).toBe(2);
    for (const { hash } of rows) expect(hash).toMatch(/^\$2b\$04\$/);
  });
});
