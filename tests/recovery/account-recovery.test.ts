import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ConfirmEmailDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
  SessionsDocument,
} from '../support/generated/operations.ts';
import { tokenOf } from '../support/mailbox.ts';
import { race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';
import { aRole, grant } from '../support/staff.ts';
import type { Subject } from '../support/subject.ts';

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

const NEW_PASSWORD = 'copper lantern drifting';
const recover = (email: string) => gateway.client.execute(RecoverAccountDocument, { email });
const reset = (token: string, newPassword = NEW_PASSWORD, at = gateway) =>
  at.client.execute(ResetPasswordDocument, { token, newPassword });
const resetToken = async ({ email }: Subject) => {
  await recover(email);
  return gateway.mailbox.token(email, 'reset-password');
};

describe('recoverAccount', () => {
  it('answers the same for an address without an account, and sends no mail', async () => {
    const alice = await gateway.aSubject();
    const [known, unknown] = [await recover(alice.email), await recover('nobody-here@example.test')];
    expect(known.data).toEqual({ recoverAccount: true });
    expect(unknown.text).toBe(known.text);
    await gateway.mailbox.token(alice.email, 'reset-password');
    expect(await gateway.mailbox.to('nobody-here@example.test')).toEqual([]);
  });

  it('changes nothing: sessions and password stay valid', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    await resetToken(alice);
    expect((await alice.me(accessToken)).data?.me?.username).toBe(alice.username);
    expect((await alice.login()).data).not.toBeNull();
  });

  it('sends no mail to an account that an administrator deactivated', async () => {
    const alice = await gateway.aSubject();
    await gateway.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [alice.id]);
    expect((await recover(alice.email)).data).toEqual({ recoverAccount: true });
    await resetToken(await gateway.aSubject());
    expect(
      (await gateway.mailbox.to(alice.email)).filter(({ text }) => text.includes('reset-password')),
    ).toEqual([]);
  });
});

describe('resetPassword', () => {
  it('sets the password, ends every session and access token, signs nobody in, and tells the owner', async () => {
    const alice = await gateway.aSubject();
    const [one, two] = [await alice.signedIn(), await alice.signedIn()];
    const { data, headers } = await reset(await resetToken(alice));
    expect(data).toEqual({ resetPassword: true });
    expect(headers.getSetCookie()).toEqual([expect.stringMatching(/^gatehouse_device=/)]);
    for (const { accessToken, refreshToken } of [one, two]) {
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    }
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
    await alice.signedIn({ password: NEW_PASSWORD });
    const notice = await gateway.mailbox.expect(alice.email, /password was reset/);
    expect(notice.text).not.toContain(NEW_PASSWORD);
  });

  it('forgets every device except the one that used the link, so that the owner is told when a thief signs in there again', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const thief = { client: gateway.browser(), headers: { 'user-agent': 'Thief' } };
    await alice.signedIn(thief);
    await reset(await resetToken(alice));
    const marks = await gateway.database.query('select from known_device where user_id = $1', [alice.id]);
    expect(marks).toHaveLength(1);
    await alice.signedIn({ ...thief, password: NEW_PASSWORD });
    await gateway.mailbox.expect(alice.email, /New sign-in to your account/);
  });

  it('keeps the second factor of an account with a role, even when its address was never confirmed', async () => {
    const alice = await gateway.aSubject();
    await enrol(gateway, alice);
    await grant(gateway, alice.id, (await aRole(gateway)).name);
    await reset(await resetToken(alice));
    const { data } = await alice.login({ password: NEW_PASSWORD });
    expect(data?.login.__typename).toBe('SecondFactorRequired');
  });

  it('confirms the address to which the link was sent', async () => {
    const alice = await gateway.aSubject();
    await reset(await resetToken(alice));
    const { accessToken } = await alice.signedIn({ password: NEW_PASSWORD });
    expect((await alice.me(accessToken)).data?.me?.emailConfirmed).toBe(true);
  });

  it('succeeds once when the link is used twenty times at once, over two processes', async () => {
    const alice = await gateway.aSubject();
    const token = await resetToken(alice);
    const replies = await race(20, (index) =>
      reset(token, `${NEW_PASSWORD} ${index}`, index % 2 === 0 ? gateway : second),
    );
    expect(replies.filter(({ data }) => data).length).toBe(1);
    expect(new Set(replies.filter(({ data }) => !data).map(({ code }) => code))).toEqual(
      new Set(['INVALID_TOKEN']),
    );
    const winner = replies.findIndex(({ data }) => data);
    await alice.signedIn({ password: `${NEW_PASSWORD} ${winner}` });
  });

  it('refuses a token that is expired or made for another purpose, and changes nothing', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const expired = await resetToken(alice);
    await gateway.database.query('update one_time_token set expires_at = now() where user_id = $1', [
      alice.id,
    ]);
    const confirming = await gateway.mailbox.token((await gateway.aSubject()).email, 'confirm-email');
    for (const token of [expired, confirming, '', 'x'.repeat(10_000)]) {
      expect((await reset(token)).code).toBe('INVALID_TOKEN');
    }
    expect((await alice.me(accessToken)).errors).toEqual([]);
    await alice.signedIn();
  });

  it('accepts an older link after a stranger requested newer ones, up to the mail limit', async () => {
    const alice = await gateway.aSubject();
    const token = await resetToken(alice);
    for (let request = 0; request < 8; request += 1) await recover(alice.email);
    await gateway.mailbox.settled();
    expect((await reset(token)).data).toEqual({ resetPassword: true });
  });

  it('voids every other reset link of the account, older and newer, when one is used', async () => {
    const alice = await gateway.aSubject();
    for (let request = 0; request < 3; request += 1) await recover(alice.email);
    await gateway.mailbox.settled();
    const links = (await gateway.mailbox.to(alice.email)).filter(({ text }) =>
      text.includes('/reset-password#'),
    );
    const [newest, used, oldest] = links.map(tokenOf);
    expect((await reset(used ?? '')).data).toEqual({ resetPassword: true });
    for (const token of [newest, oldest]) expect((await reset(token ?? '')).code).toBe('INVALID_TOKEN');
  });

  it('leaves the token valid when the new password is refused', async () => {
    const alice = await gateway.aSubject();
    const token = await resetToken(alice);
    const refused = await reset(token, 'short');
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [{ field: 'newPassword' }],
    });
    expect((await reset(token, alice.username.repeat(2))).code).toBe('BAD_USER_INPUT');
    expect((await reset(token)).data).toEqual({ resetPassword: true });
  });

  it('voids other reset links and a pending e-mail change', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const next = `next-${alice.email}`;
    await gateway.client.execute(
      ChangeEmailDocument,
      { newEmail: next, password: alice.password },
      { bearer: accessToken },
    );
    const change = await gateway.mailbox.token(next, 'confirm-email');
    await reset(await resetToken(alice));
    expect((await gateway.client.execute(ConfirmEmailDocument, { token: change })).code).toBe(
      'INVALID_TOKEN',
    );
  });

  it('reactivates an account that its owner deactivated, but not one that an administrator did', async () => {
    const [owner, banned] = [await gateway.aSubject(), await gateway.aSubject()];
    const tokens = [await resetToken(owner), await resetToken(banned)];
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [owner.id]);
    await gateway.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [banned.id]);
    expect((await reset(tokens[0] ?? '')).data).toEqual({ resetPassword: true });
    expect((await reset(tokens[1] ?? '')).code).toBe('INVALID_TOKEN');
    const { accessToken } = await owner.signedIn({ password: NEW_PASSWORD });
    expect(
      (await gateway.client.execute(SessionsDocument, {}, { bearer: accessToken })).data?.sessions,
    ).toHaveLength(1);
  });

  it('builds links from PUBLIC_URL, whatever host a request names', async () => {
    const alice = await gateway.aSubject();
    await gateway.client.execute(
      RecoverAccountDocument,
      { email: alice.email },
      {
        headers: {
          'x-forwarded-host': 'evil.test',
          'x-forwarded-proto': 'https',
          forwarded: 'host=evil.test',
        },
      },
    );
    const mail = await gateway.mailbox.expect(alice.email, /reset-password#token=/);
    expect(mail.text).toContain('http://localhost:4000/reset-password#token=');
    expect(`${mail.text}${mail.html}`).not.toContain('evil.test');
  });
});
