import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ConfirmEmailDocument,
  DeactivateAccountDocument,
  DeleteAccountDocument,
  ExportMyDataDocument,
  PublicProfileDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';
import { aSuperuser } from '../support/staff.ts';
import { Subject } from '../support/subject.ts';

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

const deactivate = (bearer: string, password: string | null, at = gateway) =>
  at.client.execute(DeactivateAccountDocument, { password }, { bearer });
const remove = (bearer: string, password: string | null, at = gateway) =>
  at.client.execute(DeleteAccountDocument, { password }, { bearer });

/** Every value of every table, as text. */
async function everything(): Promise<string> {
  const tables = await gateway.database.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public'`,
  );
  const dumps = await Promise.all(
    tables.map(({ name }) => gateway.database.query(`select t::text from "${name}" t`)),
  );
  return JSON.stringify(dumps);
}

describe('deactivateAccount', () => {
  it('asks for the password', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    expect((await deactivate(accessToken, null)).code).toBe('BAD_USER_INPUT');
    expect((await deactivate(accessToken, 'not my velvet anchor')).code).toBe('INVALID_CREDENTIALS');
    expect((await alice.me(accessToken)).data?.me?.isActive).toBe(true);
  });

  it('ends every session in every process, refuses every sign-in and hides the profile', async () => {
    const alice = await gateway.aSubject();
    const [one, two] = [await alice.signedIn(), await alice.signedIn()];
    expect((await deactivate(one.accessToken, alice.password)).data).toEqual({ deactivateAccount: true });
    for (const { accessToken, refreshToken } of [one, two]) {
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken, second.client)).code).toBe('INVALID_REFRESH_TOKEN');
    }
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
    const profile = await gateway.client.execute(PublicProfileDocument, { username: alice.username });
    expect(profile.data?.publicProfile).toBeNull();
    await gateway.mailbox.expect(alice.email, /was deactivated/);
  });

  it('is lifted when the owner resets the password, but not when they only request a reset', async () => {
    const alice = await gateway.aSubject();
    await deactivate((await alice.signedIn()).accessToken, alice.password);
    await gateway.client.execute(RecoverAccountDocument, { email: alice.email });
    const token = await gateway.mailbox.token(alice.email, 'reset-password');
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
    await gateway.client.execute(ResetPasswordDocument, { token, newPassword: 'copper lantern drifting' });
    const { accessToken } = await alice.signedIn({ password: 'copper lantern drifting' });
    expect((await alice.me(accessToken)).data?.me?.isActive).toBe(true);
  });
});

describe('deleteAccount', () => {
  it('asks for the password', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    expect((await remove(accessToken, null)).code).toBe('BAD_USER_INPUT');
    expect((await remove(accessToken, 'not my velvet anchor')).code).toBe('INVALID_CREDENTIALS');
    await alice.signedIn();
  });

  it('leaves no address, name or credential in any table, and tells the owner', async () => {
    const alice = await gateway.aSubject();
    const tokens = await alice.signedIn();
    await gateway.client.execute(RecoverAccountDocument, { email: alice.email });
    await gateway.client.execute(
      ChangeEmailDocument,
      { newEmail: `next-${alice.email}`, password: alice.password },
      { bearer: tokens.accessToken },
    );
    await gateway.mailbox.token(alice.email, 'reset-password');
    const before = await everything();
    expect(before).toContain(alice.email);

    expect((await remove(tokens.accessToken, alice.password)).data).toEqual({ deleteAccount: true });
    await gateway.mailbox.expect(alice.email, /was deleted/);
    const after = await everything();
    for (const trace of [alice.email, alice.username, alice.email.split('@')[0] ?? '']) {
      expect(after).not.toContain(trace);
    }
    // The audit trail and the revocations keep the bare id.
    expect(after).toContain(alice.id);
  });

  it('voids every access token of the account at once, in every process', async () => {
    const alice = await gateway.aSubject();
    const [one, two] = [await alice.signedIn(), await alice.signedIn()];
    await remove(one.accessToken, alice.password);
    for (const { accessToken, refreshToken } of [one, two]) {
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken, second.client)).code).toBe('INVALID_REFRESH_TOKEN');
    }
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
  });

  it('lets the next person register the address and name, who inherits nothing', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    await remove(accessToken, alice.password);
    const { username, email } = alice;
    const next = await Subject.register(gateway.client, { username, email });
    expect(next.id).not.toBe(alice.id);
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
  });

  it('waits until the last change of the e-mail address can no longer be undone', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { accessToken } = await alice.signedIn();
    const next = `next-${alice.email}`;
    await gateway.client.execute(
      ChangeEmailDocument,
      { newEmail: next, password: alice.password },
      { bearer: accessToken },
    );
    await gateway.client.execute(ConfirmEmailDocument, {
      token: await gateway.mailbox.token(next, 'confirm-email'),
    });
    const reply = await remove(accessToken, alice.password);
    expect(reply.code).toBe('CONFLICT');
    expect(reply.errors[0]?.message).toMatch(/until \d{4}-\d\d-\d\dT/);
    await gateway.database.query(`update one_time_token set expires_at = now() where user_id = $1`, [
      alice.id,
    ]);
    expect((await remove(accessToken, alice.password)).data).toEqual({ deleteAccount: true });
  });

  it('happens once for twenty requests at once, over two processes', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const replies = await race(20, (index) =>
      remove(accessToken, alice.password, index % 2 === 0 ? gateway : second),
    );
    expect(replies.filter(({ data }) => data).length).toBe(1);
    for (const { code } of replies.filter(({ data }) => !data)) {
      expect(['INVALID_CREDENTIALS', 'UNAUTHENTICATED', 'REAUTHENTICATION_REQUIRED']).toContain(code);
    }
  });
});

describe('the last superuser', () => {
  it('can neither deactivate nor delete their account, also when the last two leave at once', async () => {
    const staff = [await aSuperuser(gateway), await aSuperuser(gateway)];
    const replies = await Promise.all([
      deactivate(staff[0]?.tokens.accessToken ?? '', staff[0]?.password ?? ''),
      remove(staff[1]?.tokens.accessToken ?? '', staff[1]?.password ?? '', second),
    ]);
    expect(replies.filter(({ code }) => code === 'CONFLICT').length).toBe(1);
    expect(replies.filter(({ data }) => data).length).toBe(1);
  });
});

describe('exportMyData', () => {
  it('contains the stored data without secrets', async () => {
    const alice = await gateway.aSubject();
    const { accessToken, refreshToken } = await alice.signedIn();
    const { data, text } = await gateway.client.execute(ExportMyDataDocument, {}, { bearer: accessToken });
    expect(data?.exportMyData).toMatchObject({
      account: { id: alice.id, username: alice.username, email: alice.email },
      sessions: [{ amr: ['pwd'], aal: 1 }],
      knownDevices: [
        { agent: expect.any(String), firstSeenAt: expect.any(String), lastSeenAt: expect.any(String) },
      ],
      roles: [],
      mailedLinks: expect.any(Array),
      securityEvents: expect.arrayContaining([
        expect.objectContaining({ action: 'session.created', byYou: true }),
      ]),
    });
    for (const secret of [alice.password, accessToken, refreshToken, '$2b$'])
      expect(text).not.toContain(secret);
  });

  it('contains when password and second factor were set, and how many recovery codes are left', async () => {
    const alice = await gateway.aSubject();
    const { secret, recoveryCodes, tokens } = await enrol(gateway, alice);
    const { data, text } = await gateway.client.execute(
      ExportMyDataDocument,
      {},
      { bearer: tokens.accessToken },
    );
    expect(data?.exportMyData).toMatchObject({
      password: { changedAt: expect.any(String) },
      secondFactor: { enabledAt: expect.any(String), recoveryCodesLeft: 10 },
    });
    for (const one of [secret, ...recoveryCodes]) expect(text).not.toContain(one);
  });

  it('asks for a new proof when the last one is older than five minutes', async () => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    gateway.clock.advance(301);
    try {
      const refused = await gateway.client.execute(ExportMyDataDocument, {}, { bearer });
      expect(refused.data?.exportMyData).toBeUndefined();
      expect(refused.errors[0]?.extensions).toMatchObject({
        code: 'REAUTHENTICATION_REQUIRED',
        maxAgeSeconds: 300,
        methods: ['password'],
      });
    } finally {
      gateway.clock.advance(-301);
    }
    expect((await gateway.client.execute(ExportMyDataDocument, {}, { bearer })).errors).toEqual([]);
  });

  it('asks a session of level 1 for the second factor when the account has one', async () => {
    const alice = await gateway.aSubject();
    const { accessTokenOfLevel1: bearer } = await enrol(gateway, alice);
    const refused = await gateway.client.execute(ExportMyDataDocument, {}, { bearer });
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'REAUTHENTICATION_REQUIRED',
      requiredAal: 2,
    });
  });

  it('refuses an anonymous caller', async () => {
    expect((await gateway.client.execute(ExportMyDataDocument, {})).code).toBe('UNAUTHENTICATED');
  });
});
