import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { ChangePasswordDocument, SessionsDocument } from '../support/generated/operations.ts';
import { race } from '../support/race.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

const NEW = 'seven quiet lanterns';
const change = (bearer: string, currentPassword: string | null, newPassword = NEW) =>
  gateway.client.execute(ChangePasswordDocument, { currentPassword, newPassword }, { bearer });

describe('changePassword', () => {
  it('replaces the password and ends every other session, but not its own', async () => {
    const alice = await gateway.aSubject();
    const other = await alice.signedIn();
    const here = await alice.signedIn();
    expect((await change(here.accessToken, alice.password)).data).toEqual({ changePassword: true });
    expect((await alice.me(other.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(other.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await alice.me(here.accessToken)).errors).toEqual([]);
    expect((await alice.refresh(here.refreshToken)).errors).toEqual([]);
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
    expect((await alice.login({ password: NEW })).errors).toEqual([]);
  });

  it('forgets every other device, so that the owner is told when a thief signs in there again', async () => {
    const alice = await gateway.aSubject();
    const thief = { client: gateway.browser(), headers: { 'user-agent': 'Thief' } };
    await alice.signedIn(thief);
    const browser = gateway.browser();
    const { accessToken: bearer } = await alice.signedIn();
    const { data } = await browser.execute(
      ChangePasswordDocument,
      { currentPassword: alice.password, newPassword: NEW },
      { bearer },
    );
    expect(data).toEqual({ changePassword: true });
    const mark = browser.cookies.get('gatehouse_device') ?? '';
    const known = await gateway.database.query('select mark_hash from known_device where user_id = $1', [
      alice.id,
    ]);
    expect(known).toEqual([{ mark_hash: createHash('sha256').update(mark).digest() }]);
    await gateway.mailbox.settled();
    const told = async () =>
      (await gateway.mailbox.to(alice.email)).filter(({ subject }) => subject.startsWith('New sign-in'));
    const before = (await told()).length;
    await alice.signedIn({ ...thief, password: NEW });
    await gateway.mailbox.settled();
    expect(await told()).toHaveLength(before + 1);
  });

  it('with a wrong current password changes nothing and is audited', async () => {
    const alice = await gateway.aSubject();
    const other = await alice.signedIn();
    const { accessToken } = await alice.signedIn();
    expect((await change(accessToken, 'a wrong password')).code).toBe('INVALID_CREDENTIALS');
    expect((await alice.me(other.accessToken)).errors).toEqual([]);
    expect((await alice.login()).errors).toEqual([]);
    const events = await gateway.database.query(
      `select outcome from audit_event where subject_id = $1 and action = 'password.change_failed'`,
      [alice.id],
    );
    expect(events).toEqual([{ outcome: 'FAILURE' }]);
  });

  it('that is repeated within ten minutes answers as before', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    await change(accessToken, alice.password);
    expect((await change(accessToken, alice.password)).data).toEqual({ changePassword: true });
    const failures = () =>
      gateway.database.query(
        `select from audit_event where subject_id = $1 and action = 'password.change_failed'`,
        [alice.id],
      );
    expect(await failures()).toEqual([]);
    expect((await change(accessToken, alice.password, 'nine loud lanterns')).code).toBe(
      'INVALID_CREDENTIALS',
    );
    expect(await failures()).toHaveLength(1);
    await gateway.database.query(
      `update audit_event set at = at - interval '10 minutes' where subject_id = $1 and action = 'password.changed'`,
      [alice.id],
    );
    expect((await change(accessToken, alice.password)).code).toBe('INVALID_CREDENTIALS');
  });

  it('is charged as two guesses when it compares two passwords', async () => {
    const limited = await gateway.another({ RATE_LIMIT: 'on' });
    try {
      const alice = await gateway.aSubject();
      const { accessToken: bearer } = await alice.signedIn();
      await change(bearer, alice.password);
      const codes = [];
      for (let call = 0; call < 4; call += 1) {
        const wrong = { currentPassword: 'not a lantern', newPassword: `wrong lanterns, ${call} of them` };
        codes.push((await limited.client.execute(ChangePasswordDocument, wrong, { bearer })).code);
      }
      expect(codes).toEqual([...Array<string>(3).fill('INVALID_CREDENTIALS'), 'RATE_LIMITED']);
    } finally {
      await limited.close();
    }
  });

  it('reports all bad arguments together', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const { errors, text } = await change(accessToken, null, 'short');
    expect(errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [{ field: 'currentPassword' }, { field: 'newPassword' }],
    });
    expect(text).not.toContain('short');
  });

  it('refuses a password that contains the username or the e-mail address', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    for (const name of [alice.username, alice.email]) {
      expect((await change(accessToken, alice.password, `my name is ${name}`)).code).toBe('BAD_USER_INPUT');
    }
  });

  it('succeeds once when it is sent twice at once with the same current password', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const replies = await race(10, (index) => change(accessToken, alice.password, `${NEW} ${index}`));
    expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    for (const { code, errors } of replies) if (errors.length > 0) expect(code).toBe('INVALID_CREDENTIALS');
  });

  it('leaves no session that a sign-in with the old password started', async () => {
    const alice = await gateway.aSubject();
    const { accessToken, sessionId } = await alice.signedIn();
    await race(10, async (index) => {
      if (index === 5) await change(accessToken, alice.password);
      else await alice.login();
    });
    const { data } = await gateway.client.execute(SessionsDocument, {}, { bearer: accessToken });
    expect(data?.sessions.map(({ id }) => id)).toEqual([sessionId]);
  });

  it('sets a first password for an account without one, within five minutes of a sign-in', async () => {
    const alice = await gateway.aSubject();
    const { accessToken, sessionId } = await alice.signedIn();
    await gateway.database.query('delete from password_credential where user_id = $1', [alice.id]);
    await gateway.sessions.age(alice.id, sessionId, 360);
    const later = await gateway.another();
    later.clock.advance(301);
    try {
      const late = await later.client.execute(
        ChangePasswordDocument,
        { newPassword: NEW },
        { bearer: accessToken },
      );
      expect(late.errors[0]?.extensions).toMatchObject({
        code: 'REAUTHENTICATION_REQUIRED',
        maxAgeSeconds: 300,
      });
    } finally {
      await later.close();
    }
    expect((await change(accessToken, null)).data).toEqual({ changePassword: true });
    expect((await alice.login({ password: NEW })).errors).toEqual([]);
  });
});
