import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { PublicProfileDocument, UpdateProfileDocument } from '../support/generated/operations.ts';
import { eventually } from '../support/race.ts';
import { Subject } from '../support/subject.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

describe('me', () => {
  it('is null, with the error UNAUTHENTICATED, for an anonymous caller', async () => {
    const reply = await gateway.client.raw('{ me { id } }');
    expect(reply.data).toEqual({ me: null });
    expect(reply.code).toBe('UNAUTHENTICATED');
    expect(reply.status).toBe(200);
  });

  it('has no field that shows a secret', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    for (const field of [
      'hash',
      'password',
      'passwordHash',
      'epoch',
      'usernameKey',
      'usernameSkeletons',
      'emailKey',
      'pepperId',
    ]) {
      const reply = await gateway.client.raw(`{ me { ${field} } }`, {}, { bearer: accessToken });
      expect(reply.code).toBe('GRAPHQL_VALIDATION_FAILED');
    }
  });
});

describe('publicProfile', () => {
  const find = (username: string) => gateway.client.execute(PublicProfileDocument, { username });

  it('finds an active account by its username in any spelling', async () => {
    const alice = await gateway.aSubject();
    const { data } = await find(alice.username.toUpperCase());
    expect(data?.publicProfile).toEqual({
      username: alice.username,
      displayName: null,
      isActive: true,
      createdAt: expect.any(String),
      updatedAt: null,
    });
  });

  it.each(['nobody-at-all', '', '\u0000', "' or true --", 'x'.repeat(10_000)])(
    'is null for %j',
    async (username) => {
      const reply = await find(username);
      expect([reply.data, reply.errors]).toEqual([{ publicProfile: null }, []]);
    },
  );

  it('is null for a deactivated account', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [alice.id]);
    expect((await find(alice.username)).data).toEqual({ publicProfile: null });
  });
});

describe('updateProfile', () => {
  it('keeps the username and its key consistent when two changes meet', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const other = await gateway.database.connect();
    await other.query('begin');
    await other.query('update users set username = $2, username_key = $2 where id = $1', [
      alice.id,
      `other-${alice.username}`,
    ]);
    const input = { username: alice.username.toUpperCase() };
    const changing = gateway.client.execute(UpdateProfileDocument, { input }, { bearer: accessToken });
    await eventually(gateway.database.lockWaiters, (count) => count > 0);
    await other.query('commit');
    await other.end();
    expect((await changing).errors).toEqual([]);
    const [row] = await gateway.database.query('select username, username_key from users where id = $1', [
      alice.id,
    ]);
    expect(row).toEqual({ username: alice.username.toUpperCase(), username_key: alice.username });
  });

  const update = (bearer: string, input: { username?: string | null; displayName?: string | null }) =>
    gateway.client.execute(UpdateProfileDocument, { input }, { bearer });

  it('changes the given fields and leaves the rest', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const { data } = await update(accessToken, { displayName: 'Alice' });
    expect(data?.updateProfile).toMatchObject({
      username: alice.username,
      displayName: 'Alice',
      updatedAt: expect.any(String),
    });
    await update(accessToken, { username: `${alice.username}-two` });
    expect((await alice.me(accessToken)).data?.me).toMatchObject({
      username: `${alice.username}-two`,
      displayName: 'Alice',
    });
    expect((await update(accessToken, { displayName: null })).data?.updateProfile.displayName).toBeNull();
  });

  it('refuses the username of another account, in any spelling', async () => {
    const [alice, bob] = [await gateway.aSubject(), await gateway.aSubject()];
    const { accessToken } = await alice.signedIn();
    const reply = await update(accessToken, { username: bob.username.toUpperCase() });
    expect(reply.code).toBe('CONFLICT');
    expect((await alice.me(accessToken)).data?.me?.username).toBe(alice.username);
  });

  it("refuses a username that looks like another account's or like a reserved one", async () => {
    const [alice] = [await gateway.aSubject(), await gateway.aSubject({ username: 'magdalene' })];
    const { accessToken } = await alice.signedIn();
    expect((await update(accessToken, { username: 'magda1ene' })).code).toBe('CONFLICT');
    expect((await update(accessToken, { username: 'MagdaIene' })).code).toBe('CONFLICT');
    expect((await update(accessToken, { username: 'r00t' })).code).toBe('BAD_USER_INPUT');
  });

  it('lets the owner take a username that looks like their own', async () => {
    const alice = await gateway.aSubject({ username: 'fe1icitas' });
    const { accessToken } = await alice.signedIn();
    expect((await update(accessToken, { username: 'felicitas' })).errors).toEqual([]);
    expect((await alice.me(accessToken)).data?.me?.username).toBe('felicitas');
  });

  it('keeps a username that is older than the rules, also when the client sends it along', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query('update users set username = $2, username_key = $2 where id = $1', [
      alice.id,
      '_alice_',
    ]);
    const { accessToken } = await new Subject(
      gateway.client,
      alice.id,
      '_alice_',
      alice.email,
      alice.password,
    ).signedIn();
    const { data } = await update(accessToken, { username: '_alice_', displayName: 'Alice' });
    expect(data?.updateProfile).toMatchObject({ username: '_alice_', displayName: 'Alice' });
    expect((await update(accessToken, { username: '_Alice_' })).code).toBe('BAD_USER_INPUT');
  });

  it('lets the owner change the case of their username', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    expect((await update(accessToken, { username: alice.username.toUpperCase() })).errors).toEqual([]);
  });

  it.each(['line\nbreak', 'bell\u0007', 'override\u202Etxt', 'lone\uD800', 'x'.repeat(65)])(
    'refuses the display name %j',
    async (displayName) => {
      const alice = await gateway.aSubject();
      const { accessToken } = await alice.signedIn();
      expect((await update(accessToken, { displayName })).code).toBe('BAD_USER_INPUT');
    },
  );

  it('needs a session', async () => {
    expect((await update('no.good.token', { displayName: 'x' })).code).toBe('UNAUTHENTICATED');
  });
});
