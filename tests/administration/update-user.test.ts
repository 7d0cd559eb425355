import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ConfirmEmailDocument,
  GrantRoleDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
  UndoEmailChangeDocument,
  UpdateUserDocument,
  type UpdateUserMutationVariables,
} from '../support/generated/operations.ts';
import { enrol } from '../support/second-factor.ts';
import { aSuperuser, staffWith } from '../support/staff.ts';
import type { Subject, Tokens } from '../support/subject.ts';

let gateway: TestGateway;
let admin: Subject & { tokens: Tokens };
beforeAll(async () => {
  gateway = await TestGateway.start();
  admin = await staffWith(gateway, ['user:update']);
});
afterAll(() => gateway.close());

const update = (input: UpdateUserMutationVariables['input'], who: { tokens: Tokens } = admin) =>
  gateway.client.execute(UpdateUserDocument, { input }, { bearer: who.tokens.accessToken });
const fieldsOf = ({ errors }: { errors: readonly { extensions?: Record<string, unknown> }[] }) =>
  ((errors[0]?.extensions?.fields ?? []) as { field: string }[]).map(({ field }) => field);
const eventsOf = async (userId: string) =>
  (
    await gateway.database.query<{ action: string }>(
      `select action from audit_event where subject_id = $1 and actor_id = $2 order by at`,
      [userId, admin.id],
    )
  ).map(({ action }) => action);
const aConfirmedSubject = async () => gateway.confirm(await gateway.aSubject());
/** Mails to an address, the oldest first, without those that were read before. */
const mailsTo = async (email: string, seen = 0) => {
  await gateway.mailbox.settled();
  return (await gateway.mailbox.to(email)).toReversed().slice(seen);
};
let addresses = 0;
const newAddress = () => {
  addresses += 1;
  return `moved-${addresses}@example.test`;
};
const undo = async (email: string) =>
  gateway.client.execute(UndoEmailChangeDocument, {
    token: await gateway.mailbox.token(email, 'undo-email-change'),
  });

describe('the names of an account', () => {
  it('are changed together, also to a reserved one, and audited', async () => {
    const alice = await gateway.aSubject();
    const { data } = await update({ id: alice.id, username: 'support', displayName: 'The Desk' });
    expect(data?.updateUser).toMatchObject({ username: 'support', displayName: 'The Desk' });
    const removed = await update({ id: alice.id, displayName: null });
    expect(removed.data?.updateUser).toMatchObject({ username: 'support', displayName: null });
    expect(await eventsOf(alice.id)).toEqual(['account.profile_changed', 'account.profile_changed']);
  });

  it('all stay the same when one of them is refused, and the error names every field', async () => {
    const [alice, bob] = [await gateway.aSubject(), await gateway.aSubject()];
    const bad = await update({
      id: alice.id,
      username: 'x',
      displayName: 'y'.repeat(65),
      emailConfirmed: true,
    });
    expect([bad.code, fieldsOf(bad)]).toEqual(['BAD_USER_INPUT', ['input.username', 'input.displayName']]);
    const taken = await update({ id: alice.id, username: bob.username, displayName: 'Kept out' });
    expect([taken.code, fieldsOf(taken)]).toEqual(['CONFLICT', ['input.username']]);
    const { data } = await update({ id: alice.id });
    expect(data?.updateUser).toMatchObject({
      username: alice.username,
      displayName: null,
      emailConfirmed: false,
    });
    expect(await eventsOf(alice.id)).toEqual(['account.read']);
  });

  it('cannot be changed for an account with more permissions than the administrator', async () => {
    const clerk = await staffWith(gateway, ['kyc:review']);
    expect((await update({ id: clerk.id, displayName: 'Not me' })).code).toBe('FORBIDDEN');
  });

  it("can be changed for the administrator's own account, but its address cannot", async () => {
    expect((await update({ id: admin.id, displayName: 'Myself' })).errors).toEqual([]);
    const reply = await update({ id: admin.id, email: newAddress(), emailConfirmed: true });
    expect([reply.code, fieldsOf(reply)]).toEqual(['BAD_USER_INPUT', ['input.id']]);
  });
});

describe('a new address that the administrator does not vouch for', () => {
  it('takes effect when its link is opened; the old address gets two notices, and sessions go on', async () => {
    const alice = await aConfirmedSubject();
    const { accessToken } = await alice.signedIn();
    const before = (await mailsTo(alice.email)).length;
    const email = newAddress();
    const { data } = await update({ id: alice.id, email });
    expect(data?.updateUser).toMatchObject({ email: alice.email, pendingEmail: email, emailConfirmed: true });
    const token = await gateway.mailbox.token(email, 'confirm-email');
    const confirmed = await gateway.client.execute(ConfirmEmailDocument, { token });
    expect(confirmed.data?.confirmEmail).toMatchObject({ email, emailConfirmed: true });
    expect((await alice.me(accessToken)).errors).toEqual([]);
    const told = await mailsTo(alice.email, before);
    expect(told).toHaveLength(2);
    expect(told[0]?.text).toContain(`An administrator wants to change`);
    for (const { text } of told) expect(text).toContain('undo-email-change');
    expect(await eventsOf(alice.id)).toEqual(['account.email_change_requested']);
  });

  it('is void once the account has been given a role', async () => {
    const alice = await aConfirmedSubject();
    const email = newAddress();
    await update({ id: alice.id, email });
    const token = await gateway.mailbox.token(email, 'confirm-email');
    const root = await aSuperuser(gateway);
    const input = { userId: alice.id, role: 'superuser' };
    const granted = await gateway.client.execute(GrantRoleDocument, input, {
      bearer: root.tokens.accessToken,
    });
    expect(granted.errors).toEqual([]);
    const confirmed = await gateway.client.execute(ConfirmEmailDocument, { token });
    expect(confirmed.code).toBe('INVALID_TOKEN');
    await gateway.client.execute(RecoverAccountDocument, { email });
    expect((await mailsTo(email)).filter(({ text }) => text.includes('reset-password'))).toEqual([]);
  });

  it('does not remove the second factor of the owner', async () => {
    const alice = await aConfirmedSubject();
    await enrol(gateway, alice);
    const email = newAddress();
    await update({ id: alice.id, email });
    await gateway.client.execute(RecoverAccountDocument, { email });
    const mails = await mailsTo(email);
    expect(mails.filter(({ text }) => text.includes('reset-password'))).toEqual([]);
  });

  it('is a CONFLICT when it belongs to an account', async () => {
    const [alice, bob] = [await aConfirmedSubject(), await gateway.aSubject()];
    for (const emailConfirmed of [true, false]) {
      const reply = await update({ id: alice.id, email: bob.email.toUpperCase(), emailConfirmed });
      expect([reply.code, fieldsOf(reply)]).toEqual(['CONFLICT', ['input.email']]);
    }
  });
});

describe('a new address for which the administrator vouches', () => {
  const move = (id: string, email: string) => update({ id, email, emailConfirmed: true });

  it('takes effect at once; earlier links are void, sessions go on, and the old address can undo it', async () => {
    const alice = await aConfirmedSubject();
    const { accessToken } = await alice.signedIn();
    const { password } = alice;
    const asked = newAddress();
    await gateway.client.execute(ChangeEmailDocument, { newEmail: asked, password }, { bearer: accessToken });
    await gateway.client.execute(RecoverAccountDocument, { email: alice.email });
    const links = {
      change: await gateway.mailbox.token(asked, 'confirm-email'),
      reset: await gateway.mailbox.token(alice.email, 'reset-password'),
    };
    const email = newAddress();
    expect((await move(alice.id, email)).data?.updateUser).toMatchObject({
      email,
      emailConfirmed: true,
      pendingEmail: null,
    });
    expect((await alice.me(accessToken)).errors).toEqual([]);
    const change = await gateway.client.execute(ConfirmEmailDocument, { token: links.change, password });
    const reset = await gateway.client.execute(ResetPasswordDocument, {
      token: links.reset,
      newPassword: 'copper lantern drifting',
    });
    expect([change.code, reset.code]).toEqual(['INVALID_TOKEN', 'INVALID_TOKEN']);
    expect((await mailsTo(alice.email)).at(-1)?.text).toContain(`An administrator changed`);
    expect(await eventsOf(alice.id)).toEqual(['account.email_changed']);
    expect((await undo(alice.email)).errors).toEqual([]);
    expect((await update({ id: alice.id })).data?.updateUser.email).toBe(alice.email);
  });

  it("leaves the first owner's undo valid when an administrator changes the address again", async () => {
    const alice = await aConfirmedSubject();
    const [first, second] = [newAddress(), newAddress()];
    await move(alice.id, first);
    await move(alice.id, second);
    const told = (await mailsTo(first)).at(-1)?.text;
    expect(told).toContain('An administrator changed');
    expect(told).not.toContain('undo-email-change');
    expect((await undo(alice.email)).errors).toEqual([]);
    expect((await update({ id: alice.id })).data?.updateUser.email).toBe(alice.email);
  });

  it('leaves no undo to a thief when the administrator gives the account back to its owner', async () => {
    const alice = await aConfirmedSubject();
    const { accessToken: bearer } = await alice.signedIn();
    const stolen = newAddress();
    await gateway.client.execute(
      ChangeEmailDocument,
      { newEmail: stolen, password: alice.password },
      { bearer },
    );
    const token = await gateway.mailbox.token(stolen, 'confirm-email');
    await gateway.client.execute(ConfirmEmailDocument, { token });
    await move(alice.id, alice.email);
    for (const { text } of await mailsTo(stolen)) expect(text).not.toContain('undo-email-change');
    const left = await gateway.database.query('select from one_time_token where user_id = $1', [alice.id]);
    expect(left).toEqual([]);
  });

  it('may be the current address, and then its confirmation link is void', async () => {
    const alice = await gateway.aSubject();
    const token = await gateway.mailbox.token(alice.email, 'confirm-email');
    const { data } = await update({ id: alice.id, email: alice.email, emailConfirmed: true });
    expect(data?.updateUser).toMatchObject({ email: alice.email, emailConfirmed: true });
    const { password } = alice;
    expect((await gateway.client.execute(ConfirmEmailDocument, { token, password })).code).toBe(
      'INVALID_TOKEN',
    );
    expect(await eventsOf(alice.id)).toEqual(['account.email_confirmed']);
  });

  it('cannot become unconfirmed, since the owner of its mailbox could then claim the account', async () => {
    const alice = await aConfirmedSubject();
    const reply = await update({ id: alice.id, emailConfirmed: false });
    expect([reply.code, fieldsOf(reply)]).toEqual(['BAD_USER_INPUT', ['input.emailConfirmed']]);
    expect((await update({ id: alice.id, emailConfirmed: true })).errors).toEqual([]);
    await gateway.database.query('update users set email = null, email_key = null where id = $1', [alice.id]);
    await gateway.database.query('update users set email_confirmed_at = null where id = $1', [alice.id]);
    const none = await update({ id: alice.id, emailConfirmed: true });
    expect([none.code, fieldsOf(none)]).toEqual(['BAD_USER_INPUT', ['input.emailConfirmed']]);
  });
});
