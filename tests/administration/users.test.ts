import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RequestOptions } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  CountUsersDocument,
  RevokeUserSessionsDocument,
  SetUserActiveDocument,
  UserDocument,
  UserSessionsDocument,
  UsersDocument,
  type UsersQueryVariables,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { aSuperuser, staffWith } from '../support/staff.ts';
import { statementsDuring, watchStatements } from '../support/statements.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
let root: Subject & { tokens: Tokens };

beforeAll(async () => {
  watchStatements();
  gateway = await TestGateway.start();
  root = await aSuperuser(gateway);
});
afterAll(() => gateway.close());

const by = ({ tokens }: { tokens: Tokens }): RequestOptions => ({ bearer: tokens.accessToken });
const page = (variables: UsersQueryVariables, who: { tokens: Tokens } = root) =>
  gateway.client.execute(UsersDocument, variables, by(who));
const setActive = (userId: string, active: boolean, who: { tokens: Tokens } = root) =>
  gateway.client.execute(SetUserActiveDocument, { userId, active }, by(who));

/** Inserts accounts as the database stores them, with names as keys. Rows that an earlier try left are kept. */
async function seed(accounts: readonly (readonly [username: string, email: string | null])[]): Promise<void> {
  await gateway.database.query(
    `insert into users (id, username, username_key, email, email_key)
     select gen_random_uuid(), name, name, mail, mail from unnest($1::text[], $2::text[]) as account (name, mail)
     on conflict (username_key) do nothing`,
    [accounts.map(([name]) => name), accounts.map(([, mail]) => mail)],
  );
}

/** Usernames of all pages, read to the end. */
async function walk(
  variables: UsersQueryVariables,
  between: () => Promise<void> = async () => {},
): Promise<string[]> {
  const names: string[] = [];
  let after: string | null = null;
  for (;;) {
    const reply = await page({ ...variables, after });
    if (!reply.data) throw new Error(reply.text);
    const { nodes, pageInfo } = reply.data.users;
    names.push(...nodes.map(({ username }) => username));
    if (!pageInfo.hasNextPage) return names;
    after = pageInfo.endCursor;
    await between();
  }
}

describe('a list of users', () => {
  it('returns each user once over all pages, the newest first', async () => {
    const all = await gateway.database.query<{ username: string }>(
      'select username from users order by id desc',
    );
    expect(await walk({ first: 1 })).toEqual(all.map(({ username }) => username));
  });

  it('stays correct while users are added and removed', async () => {
    await seed(Array.from({ length: 20 }, (_, n) => [`walker-${String(n).padStart(2, '0')}`, null] as const));
    let step = 0;
    const seen = await walk({ first: 3, filter: { search: 'walker-' } }, async () => {
      step += 1;
      // Removes one user before the current place and one already returned, and adds one far behind it.
      await gateway.database.query(
        `insert into users (id, username, username_key) values (gen_random_uuid(), $1, $1), (gen_random_uuid(), $2, $2)`,
        [`walker-0${step}-early`, `walker-zz-${step}`],
      );
      await gateway.database.query(`delete from users where username_key = $1`, [`walker-0${step - 1}`]);
    });
    expect(new Set(seen).size).toBe(seen.length);
    for (let n = 0; n < 20; n++) expect(seen).toContain(`walker-${String(n).padStart(2, '0')}`);
    expect(seen).toContain('walker-zz-1');
  });

  it('says whether pages follow and precede', async () => {
    await seed(['place-a', 'place-b', 'place-c'].map((name) => [name, null] as const));
    const filter = { search: 'place-' };
    const first = await page({ first: 2, filter });
    expect(first.data?.users.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const after = first.data?.users.pageInfo.endCursor ?? null;
    const last = await page({ first: 2, filter, after });
    expect(last.data?.users).toMatchObject({
      nodes: [{ username: 'place-c' }],
      pageInfo: { hasNextPage: false, hasPreviousPage: true },
    });
    const none = await page({ filter: { search: 'nobody-at-all' } });
    expect(none.data?.users).toEqual({
      nodes: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
    });
  });

  it.each([
    ['no entries', { first: 0 }, 'first'],
    ['too many entries', { first: 101 }, 'first'],
    ['a malformed cursor', { after: 'x' }, 'after'],
    ['a cursor of another list', { after: Buffer.from('["username","a"]').toString('base64url') }, 'after'],
    ['a cursor with another key', { after: Buffer.from('["newest","a"]').toString('base64url') }, 'after'],
  ])('is refused for %s', async (_, variables, field) => {
    expect(await page(variables)).toMatchObject({
      code: 'BAD_USER_INPUT',
      errors: [{ extensions: { fields: [expect.objectContaining({ field })] } }],
    });
  });

  it('counts all users only when the total is selected', async () => {
    const counting = await statementsDuring(() =>
      gateway.client.execute(CountUsersDocument, { filter: { search: 'place-' } }, by(root)),
    );
    const plain = await statementsDuring(() => page({ filter: { search: 'place-' } }));
    expect(counting.filter(({ text }) => /count\(\*\)::int/.test(text))).toHaveLength(1);
    expect(plain.filter(({ text }) => /count\(\*\)::int/.test(text))).toHaveLength(0);
    const { data } = await gateway.client.execute(
      CountUsersDocument,
      { filter: { search: 'place-' } },
      by(root),
    );
    expect(data?.users.totalCount).toBe(3);
  });

  it('sends as many statements for a hundred users as for one', async () => {
    await seed(Array.from({ length: 100 }, (_, n) => [`crowd-${n}`, `crowd-${n}@example.test`] as const));
    const count = async (first: number, filter?: UsersQueryVariables['filter']) =>
      (await statementsDuring(() => page({ first, ...(filter && { filter }) }))).length;
    // The permissions of the caller, the page, its audit event, roles, passwords, and pending e-mail
    // addresses.
    expect(await count(1)).toBe(6);
    expect(await count(100)).toBe(6);
    expect(await count(1, { search: 'crowd-' })).toBe(6);
    expect(await count(100, { search: 'crowd-' })).toBe(6);
    // One more, for the id of the role.
    expect(await count(100, { role: 'superuser' })).toBe(7);

    const factors = (first: number) =>
      gateway.client.raw(
        'query ($first: Int) { users(first: $first) { nodes { totpEnabled recoveryCodesLeft } } }',
        { first },
        by(root),
      );
    // The permissions of the caller, the page, its audit event, and one for each of the two fields.
    expect(await statementsDuring(() => factors(1))).toHaveLength(5);
    expect(await statementsDuring(() => factors(100))).toHaveLength(5);
  });
});

describe('a search', () => {
  const find = (search: string) => walk({ first: 2, filter: { search } });

  beforeAll(() =>
    seed([
      ['quill', 'quill@one.test'],
      ['quill-two', 'other@two.test'],
      ['feather', 'quill-three@three.test'],
      ['plume', 'quill@four.test'],
      ['100%_sure\\', null],
      ['100percent', null],
    ]),
  );

  it('finds usernames that begin with the text, then further addresses that do, each account once', async () => {
    expect(await find('quill')).toEqual(['quill', 'quill-two', 'feather', 'plume']);
    expect(await find('QUILL-T')).toEqual(['quill-two', 'feather']);
    expect(await find('ＱＵＩＬＬ-two')).toEqual(['quill-two']);
    expect(await find('other')).toEqual(['quill-two']);
  });

  it('finds only addresses when the text has an @', async () => {
    expect(await find('quill@')).toEqual(['plume', 'quill']);
    expect(await find('Quill@One')).toEqual(['quill']);
  });

  it('treats no character as a wildcard, and a blank text as no filter', async () => {
    expect(await find('100%')).toEqual([]);
    expect(await find('100_')).toEqual([]);
    expect(await find('quil_')).toEqual([]);
    expect(await find('%@%')).toEqual([]);
    expect((await find(' ')).length).toBeGreaterThan(100);
  });

  it('counts its matches', async () => {
    const { data } = await gateway.client.execute(
      CountUsersDocument,
      { filter: { search: 'quill' } },
      by(root),
    );
    expect(data?.users.totalCount).toBe(4);
  });

  it('is combined with the other conditions', async () => {
    const holder = await staffWith(gateway, []);
    expect(await walk({ filter: { role: holder.role.name } })).toEqual([holder.username]);
    expect(await walk({ filter: { role: holder.role.name, search: 'quill' } })).toEqual([]);
    for (const none of ['no-such-role', 'nul\0', '\ud800', ''])
      expect(await walk({ filter: { role: none } })).toEqual([]);
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where username = 'plume'`);
    expect(await walk({ filter: { isActive: false, search: 'quill' } })).toEqual(['plume']);
    expect(await walk({ filter: { isActive: true, search: 'quill' } })).toEqual([
      'quill',
      'quill-two',
      'feather',
    ]);
  });
});

describe('an account', () => {
  it('is visible only to callers who may see accounts', async () => {
    const alice = await gateway.aSubject();
    const reader = await staffWith(gateway, ['user:read']);
    const read = (who: { tokens: Tokens }, id: string) =>
      gateway.client.execute(UserDocument, { id }, by(who));
    expect((await read(reader, alice.id)).data?.user).toMatchObject({
      username: alice.username,
      email: alice.email,
      hasPassword: true,
      deactivatedBy: null,
    });
    for (const unknown of ['01890000-0000-7000-8000-000000000000', 'x'])
      expect(await read(reader, unknown)).toMatchObject({ data: { user: null }, errors: [] });
    const mallory = Object.assign(alice, { tokens: await alice.signedIn() });
    for (const id of [root.id, alice.id, '01890000-0000-7000-8000-000000000000'])
      expect(await read(mallory, id)).toMatchObject({ data: { user: null }, code: 'FORBIDDEN' });
  });
});

describe('deactivating an account', () => {
  it('ends its sessions and voids its tokens at once, and answers its password like a wrong one', async () => {
    const alice = await gateway.aSubject();
    const { accessToken, refreshToken } = await alice.signedIn();
    expect((await setActive(alice.id, false)).data?.setUserActive).toMatchObject({
      isActive: false,
      deactivatedBy: 'ADMIN',
    });
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
    const [{ data }] = [await gateway.client.execute(UserSessionsDocument, { userId: alice.id }, by(root))];
    expect(data?.userSessions).toEqual([]);

    expect((await setActive(alice.id, true)).data?.setUserActive).toMatchObject({
      isActive: true,
      deactivatedBy: null,
    });
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.login()).errors).toEqual([]);
  });

  it('leaves no session that a concurrent sign-in made', async () => {
    for (let round = 0; round < 5; round++) {
      const alice = await gateway.aSubject();
      const logins = race(4, () => alice.login());
      await setActive(alice.id, false);
      await logins;
      const left = await gateway.client.execute(UserSessionsDocument, { userId: alice.id }, by(root));
      expect(left.data?.userSessions).toEqual([]);
    }
  });

  it('twice changes nothing more, and replaces a deactivation by the owner', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [alice.id]);
    expect((await setActive(alice.id, false)).data?.setUserActive.deactivatedBy).toBe('ADMIN');
    expect((await setActive(alice.id, false)).data?.setUserActive.deactivatedBy).toBe('ADMIN');
    const events = await gateway.database.query(
      `select details from audit_event where action = 'account.deactivated' and subject_id = $1`,
      [alice.id],
    );
    expect(events).toEqual([{ details: { by: 'ADMIN', endedSessions: 0 } }]);
  });

  it('cannot be undone by a request that the deactivated administrator sends with an old token', async () => {
    const admin = await staffWith(gateway, ['user:deactivate']);
    // Written to the database directly without a revocation, so the token is still accepted.
    await gateway.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [admin.id]);
    expect((await setActive(admin.id, true, admin)).code).toBe('FORBIDDEN');
    expect((await setActive((await gateway.aSubject()).id, false, admin)).code).toBe('FORBIDDEN');
  });

  it('is refused for an account with more permissions, and for an account that does not exist', async () => {
    const admin = await staffWith(gateway, ['user:deactivate']);
    const clerk = await staffWith(gateway, ['kyc:review']);
    expect((await setActive(clerk.id, false, admin)).code).toBe('FORBIDDEN');
    expect((await setActive(clerk.id, true, admin)).code).toBe('FORBIDDEN');
    expect((await setActive('01890000-0000-7000-8000-000000000000', false, admin)).code).toBe('NOT_FOUND');
    const alice = await gateway.aSubject();
    expect((await setActive(alice.id, false, admin)).errors).toEqual([]);
  });

  it('does not happen when the audit trail cannot record it', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    await gateway.database.query(
      `alter table audit_event add constraint refused check (action <> 'account.deactivated') not valid`,
    );
    expect((await setActive(alice.id, false)).code).toBe('INTERNAL_SERVER_ERROR');
    await gateway.database.query('alter table audit_event drop constraint refused');
    expect((await alice.me(accessToken)).errors).toEqual([]);
  });
});

describe("an account's sessions", () => {
  it('are listed and ended by callers with the permission', async () => {
    const alice = await gateway.aSubject();
    const here = await alice.signedIn({ headers: { 'user-agent': 'Phone/1.0' } });
    await alice.signedIn();
    const admin = await staffWith(gateway, ['session:read', 'session:revoke']);
    const list = () => gateway.client.execute(UserSessionsDocument, { userId: alice.id }, by(admin));
    const listed = (await list()).data?.userSessions ?? [];
    expect(listed).toHaveLength(2);
    expect(listed).toContainEqual(
      expect.objectContaining({ id: here.sessionId, userAgent: 'Phone/1.0', current: false }),
    );
    const ended = await gateway.client.execute(RevokeUserSessionsDocument, { userId: alice.id }, by(admin));
    expect(ended.data?.revokeUserSessions).toBe(2);
    expect((await list()).data?.userSessions).toEqual([]);
    expect((await alice.me(here.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.login()).errors).toEqual([]);
  });

  it('are ended with their tokens, also sessions that the store has lost', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    await gateway.sessions.lose(alice.id);
    await gateway.client.execute(RevokeUserSessionsDocument, { userId: alice.id }, by(root));
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
  });

  it('are not ended by an administrator with fewer permissions than the account', async () => {
    const admin = await staffWith(gateway, ['session:revoke']);
    const reply = await gateway.client.execute(RevokeUserSessionsDocument, { userId: root.id }, by(admin));
    expect(reply.code).toBe('FORBIDDEN');
    expect((await root.me(root.tokens.accessToken)).errors).toEqual([]);
  });
});
