import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  CancelEmailChangeDocument,
  ChangeEmailDocument,
  ChangePasswordDocument,
  ConfirmEmailDocument,
  RegisterDocument,
  ResetPasswordDocument,
  UndoEmailChangeDocument,
} from '../support/generated/operations.ts';
import { tokenOf } from '../support/mailbox.ts';
import { eventually, race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';
import type { Subject } from '../support/subject.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

let counter = 0;
const anAddress = () => `moved-${++counter}@example.test`;
const change = (bearer: string, newEmail: string, password?: string) =>
  gateway.client.execute(ChangeEmailDocument, { newEmail, password: password ?? null }, { bearer });
const confirm = (token: string) => gateway.client.execute(ConfirmEmailDocument, { token });
const undo = (token: string) => gateway.client.execute(UndoEmailChangeDocument, { token });

/** Changes the e-mail address and opens the link. */
async function moved(alice: Subject, bearer: string, password = alice.password): Promise<string> {
  const next = anAddress();
  await change(bearer, next, password);
  await confirm(await gateway.mailbox.token(next, 'confirm-email'));
  return next;
}

describe('changeEmail', () => {
  it('asks for the password', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    expect((await change(accessToken, anAddress())).errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [{ field: 'password' }],
    });
    expect((await change(accessToken, anAddress(), 'not my velvet anchor')).code).toBe('INVALID_CREDENTIALS');
    expect(await gateway.mailbox.to(`moved-${counter}@example.test`)).toEqual([]);
  });

  it('keeps the old address until the new one is confirmed, and notifies the old one both times', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { accessToken } = await alice.signedIn();
    const next = anAddress();
    const { data } = await change(accessToken, next, alice.password);
    expect(data?.changeEmail).toMatchObject({ email: alice.email, pendingEmail: next });
    await gateway.mailbox.expect(alice.email, /is about to change/);

    const confirmed = await confirm(await gateway.mailbox.token(next, 'confirm-email'));
    expect(confirmed.data?.confirmEmail).toMatchObject({
      email: next,
      emailConfirmed: true,
      pendingEmail: null,
    });
    await gateway.mailbox.expect(alice.email, /was changed to/);
    expect((await alice.me(accessToken)).data?.me?.email).toBe(next);
  });

  it('can be cancelled until then', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const next = anAddress();
    await change(accessToken, next, alice.password);
    const token = await gateway.mailbox.token(next, 'confirm-email');
    const cancelled = await gateway.client.execute(CancelEmailChangeDocument, {}, { bearer: accessToken });
    expect(cancelled.data?.cancelEmailChange.pendingEmail).toBeNull();
    expect((await confirm(token)).code).toBe('INVALID_TOKEN');
  });

  it("answers the same for another account's address, which gets no link, and changes nothing", async () => {
    const [alice, bob] = [await gateway.aSubject(), await gateway.aSubject()];
    const { accessToken } = await alice.signedIn();
    const { data } = await change(accessToken, bob.email, alice.password);
    expect(data?.changeEmail).toMatchObject({ email: alice.email, pendingEmail: bob.email });
    await gateway.mailbox.expect(alice.email, /is about to change/);
    expect((await gateway.mailbox.to(bob.email)).filter(({ text }) => text.includes('wants to use'))).toEqual(
      [],
    );
  });

  it('gives an address that two accounts confirm at once to one of them', async () => {
    const next = anAddress();
    const people = await race(2, () => gateway.aSubject());
    const tokens: string[] = [];
    for (const person of people) {
      await change((await person.signedIn()).accessToken, next, person.password);
      const [newest] = await eventually(
        () => gateway.mailbox.to(next),
        (mails) => mails.length > tokens.length,
      );
      if (!newest) throw new Error('no mail');
      tokens.push(tokenOf(newest));
    }
    const replies = await Promise.all(tokens.map(confirm));
    expect(replies.filter(({ data }) => data).length).toBe(1);
    expect(replies.find(({ data }) => !data)?.code).toBe('INVALID_TOKEN');
  });

  it('is voided by a password change', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const next = anAddress();
    await change(accessToken, next, alice.password);
    const token = await gateway.mailbox.token(next, 'confirm-email');
    await gateway.client.execute(
      ChangePasswordDocument,
      { currentPassword: alice.password, newPassword: 'copper lantern drifting' },
      { bearer: accessToken },
    );
    expect((await confirm(token)).code).toBe('INVALID_TOKEN');
  });
});

describe('changing an unconfirmed address', () => {
  it('sends it a notice without an undo link and releases it, since it may belong to another person', async () => {
    const squatter = await gateway.aSubject();
    await moved(squatter, (await squatter.signedIn()).accessToken);
    const notices = [
      await gateway.mailbox.expect(squatter.email, /is about to change/),
      await gateway.mailbox.expect(squatter.email, /was changed to/),
    ];
    for (const { text } of notices) expect(text).not.toContain('#token=');
    const owner = await gateway.aSubject({ email: squatter.email });
    expect(owner.id).not.toBe(squatter.id);
  });
});

describe('while an e-mail change can be undone', () => {
  it('the old address also gets the notices of the account', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { accessToken } = await alice.signedIn();
    const next = await moved(alice, accessToken);
    await gateway.client.execute(
      ChangePasswordDocument,
      { currentPassword: alice.password, newPassword: 'copper lantern drifting' },
      { bearer: accessToken },
    );
    for (const address of [alice.email, next]) await gateway.mailbox.expect(address, /password was changed/);
  });
});

describe('undoEmailChange', () => {
  it('restores the address, ends every session, forgets every device, removes the password and mails a reset link', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const thief = await alice.signedIn();
    await moved(alice, thief.accessToken);
    const token = tokenOf(await gateway.mailbox.expect(alice.email, /was changed to/));
    expect((await undo(token)).data).toEqual({ undoEmailChange: true });
    expect((await alice.me(thief.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(thief.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await alice.login()).code).toBe('INVALID_CREDENTIALS');
    const devices = await gateway.database.query('select from known_device where user_id = $1', [alice.id]);
    expect(devices).toEqual([]);

    const reset = await gateway.mailbox.token(alice.email, 'reset-password');
    await gateway.client.execute(ResetPasswordDocument, {
      token: reset,
      newPassword: 'copper lantern drifting',
    });
    const { accessToken } = await alice.signedIn({ password: 'copper lantern drifting' });
    expect((await alice.me(accessToken)).data?.me).toMatchObject({
      email: alice.email,
      emailConfirmed: true,
    });
  });

  it('works with the first notice, after a thief changed address, password and address again', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { accessToken } = await alice.signedIn();
    const first = await moved(alice, accessToken);
    const notice = await gateway.mailbox.expect(alice.email, /is about to change/);
    await gateway.client.execute(
      ChangePasswordDocument,
      { currentPassword: alice.password, newPassword: 'copper lantern drifting' },
      { bearer: accessToken },
    );
    const last = await moved(alice, accessToken, 'copper lantern drifting');
    const undoOfThief = await gateway.mailbox.token(first, 'undo-email-change');

    expect((await undo(tokenOf(notice))).data).toEqual({ undoEmailChange: true });
    const [row] = await gateway.database.query('select email from users where id = $1', [alice.id]);
    expect(row).toEqual({ email: alice.email });
    expect((await alice.login({ password: 'copper lantern drifting' })).code).toBe('INVALID_CREDENTIALS');
    // The thief's own notice, which came later, cannot revert the undo.
    expect((await undo(undoOfThief)).code).toBe('INVALID_TOKEN');
    expect((await gateway.mailbox.to(last)).some(({ text }) => text.includes('reset-password'))).toBe(false);
  });

  /** Moves the times of the account's second factor and codes into the past. */
  const agePast = (alice: Subject, { factorHours, codeHours }: { factorHours: number; codeHours: number }) =>
    gateway.database.query(
      `with aged as (update users set second_factor_since = now() - make_interval(hours => $2) where id = $1)
       update recovery_code set created_at = now() - make_interval(hours => $3) where user_id = $1`,
      [alice.id, factorHours, codeHours],
    );
  const factorOf = async ({ id }: Subject) => {
    const [row] = await gateway.database.query<{ since: Date | null; codes: number }>(
      `select second_factor_since as since, (select count(*)::int from recovery_code where user_id = $1) as codes
       from users where id = $1`,
      [id],
    );
    return row && { isOn: row.since !== null, codes: row.codes };
  };

  it('removes a second factor that was turned on after the change', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    await moved(alice, (await alice.signedIn()).accessToken);
    await enrol(gateway, alice);
    await undo(await gateway.mailbox.token(alice.email, 'undo-email-change'));
    const newPassword = 'copper lantern drifting';
    const token = await gateway.mailbox.token(alice.email, 'reset-password');
    await gateway.client.execute(ResetPasswordDocument, { token, newPassword });
    await alice.signedIn({ password: newPassword });
  });

  it('removes a second factor that was turned on within a day before the request, and tells the owner', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { tokens } = await enrol(gateway, alice);
    await agePast(alice, { factorHours: 23, codeHours: 23 });
    await moved(alice, tokens.accessToken);
    await undo(await gateway.mailbox.token(alice.email, 'undo-email-change'));
    expect(await factorOf(alice)).toEqual({ isOn: false, codes: 0 });
    await gateway.mailbox.expect(alice.email, /Two-step sign-in was turned off/);
  });

  it('counts that day from the request, even with the link that was mailed when the change took effect', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { tokens } = await enrol(gateway, alice);
    await agePast(alice, { factorHours: 40, codeHours: 40 });
    await moved(alice, tokens.accessToken);
    await gateway.database.query(
      `update one_time_token set created_at = created_at - interval '20 hours' where id =
         (select id from one_time_token where user_id = $1 and purpose = 'UNDO_EMAIL_CHANGE' order by created_at limit 1)`,
      [alice.id],
    );
    await undo(tokenOf(await gateway.mailbox.expect(alice.email, /was changed to/)));
    expect(await factorOf(alice)).toEqual({ isOn: false, codes: 0 });
  });

  it('keeps a second factor and recovery codes that are older than a day before the request', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { tokens } = await enrol(gateway, alice);
    await agePast(alice, { factorHours: 25, codeHours: 25 });
    await moved(alice, tokens.accessToken);
    await undo(await gateway.mailbox.token(alice.email, 'undo-email-change'));
    expect(await factorOf(alice)).toEqual({ isOn: true, codes: 10 });
  });

  it('removes recovery codes that replaced those of an older factor, keeps the factor, and tells the owner', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    const { tokens } = await enrol(gateway, alice);
    await agePast(alice, { factorHours: 2_000, codeHours: 23 });
    await moved(alice, tokens.accessToken);
    await undo(await gateway.mailbox.token(alice.email, 'undo-email-change'));
    expect(await factorOf(alice)).toEqual({ isOn: true, codes: 0 });
    await gateway.mailbox.expect(alice.email, /Your recovery codes were removed/);
  });

  it('reserves the old address for its owner: it cannot be registered meanwhile', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    await moved(alice, (await alice.signedIn()).accessToken);
    const reply = await gateway.client.execute(RegisterDocument, {
      input: { username: `grabber-${counter}`, email: alice.email, password: 'velvet anchor rising' },
    });
    expect(reply.code).toBe('CONFLICT');
  });

  it('succeeds once when the link is used twenty times at once', async () => {
    const alice = await gateway.confirm(await gateway.aSubject());
    await moved(alice, (await alice.signedIn()).accessToken);
    const token = tokenOf(await gateway.mailbox.expect(alice.email, /was changed to/));
    const replies = await race(20, () => undo(token));
    expect(replies.filter(({ data }) => data).length).toBe(1);
    expect(new Set(replies.filter(({ data }) => !data).map(({ code }) => code))).toEqual(
      new Set(['INVALID_TOKEN']),
    );
  });
});
