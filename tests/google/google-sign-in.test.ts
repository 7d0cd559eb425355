import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ChangePasswordDocument,
  CompleteLoginDocument,
  ConfirmEmailDocument,
  type ConfirmEmailMutation,
  LinkGoogleDocument,
  LoginDocument,
  type LoginWithGoogleMutation,
  MeDocument,
  RecoverAccountDocument,
  RegisterDocument,
  ResetPasswordDocument,
  UndoEmailChangeDocument,
  UnlinkGoogleDocument,
} from '../support/generated/operations.ts';
import { aPerson, GoogleStandIn, newNonce, oneTap, type Person } from '../support/google-stand-in.ts';
import { eventually, race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';
import { aRole, grant } from '../support/staff.ts';
import type { Subject } from '../support/subject.ts';

let google: GoogleStandIn;
let gateway: TestGateway;
beforeAll(async () => {
  google = await GoogleStandIn.start();
  gateway = await TestGateway.start(google.settings);
});
afterAll(async () => {
  await gateway.close();
  await google.close();
});

const signIn = (person: Person, on = gateway) => oneTap(on.client, google, person);

type Authenticated = Extract<LoginWithGoogleMutation['loginWithGoogle'], { __typename: 'Authenticated' }>;

function authenticated({ data, text }: Reply<LoginWithGoogleMutation>): Authenticated {
  if (data?.loginWithGoogle.__typename !== 'Authenticated') throw new Error(`not signed in: ${text}`);
  return data.loginWithGoogle;
}

function linkChallenge({ data, text }: Reply<LoginWithGoogleMutation>): string {
  if (data?.loginWithGoogle.__typename !== 'AccountLinkRequired') throw new Error(`no challenge: ${text}`);
  return data.loginWithGoogle.challenge;
}

const me = async (reply: Reply<LoginWithGoogleMutation>, on = gateway) => {
  const { accessToken } = authenticated(reply);
  return (await on.client.execute(MeDocument, {}, { bearer: accessToken ?? '' })).data?.me;
};

const loginLinking = (subject: Subject, challenge: string, password = subject.password) =>
  gateway.client.execute(LoginDocument, {
    input: { identifier: subject.username, password, linkChallenge: challenge },
  });

/** An account whose e-mail address is hosted by Google. */
const aGmailSubject = async () => {
  const person = aPerson();
  return { person, subject: await gateway.aSubject({ email: person.email ?? '' }) };
};

describe('a first sign-in by Google', () => {
  it('creates an account without a password, with a username that does not show the address', async () => {
    const person = aPerson();
    const reply = await signIn(person);
    expect(await me(reply)).toMatchObject({
      username: expect.stringMatching(/^member-[a-z0-9]{10}$/),
      email: person.email,
      emailConfirmed: true,
      hasPassword: false,
      googleLinked: true,
    });
    expect(authenticated(reply).session).toMatchObject({ authenticationMethods: ['google'], aal: 1 });
  });

  it('creates one account when twenty sign-ins come at once', async () => {
    for (const person of [aPerson(), aPerson(), aPerson({ email_verified: false })]) {
      const replies = await race(20, () => signIn(person));
      const ids = new Set(replies.map((reply) => authenticated(reply).user.id));
      expect(ids.size).toBe(1);
    }
  });

  it('creates an account without an address when Google did not verify it', async () => {
    const person = aPerson({ email_verified: false });
    expect(await me(await signIn(person))).toMatchObject({ email: null, emailConfirmed: false });
    const owner = await gateway.aSubject({ email: person.email ?? '' });
    expect(owner.id).toBeTruthy();
  });

  it('is found again by the next sign-in, even after the address changed at Google', async () => {
    const person = aPerson();
    const first = authenticated(await signIn(person)).user.id;
    const moved = { ...person, email: `moved-${person.email}` };
    expect(authenticated(await signIn(moved)).user.id).toBe(first);
    expect(authenticated(await signIn({ sub: person.sub })).user.id).toBe(first);
  });

  it('counts as confirmed when confirmation is required, and drops a pending registration', async () => {
    const strict = await TestGateway.start({ ...google.settings, EMAIL_CONFIRMATION: 'required' });
    try {
      const person = aPerson();
      const planted = { username: 'planted', email: person.email ?? '', password: 'velvet anchor rising' };
      await strict.client.execute(RegisterDocument, { input: planted });
      const token = await strict.mailbox.token(planted.email, 'confirm-email');
      expect(await me(await signIn(person, strict), strict)).toMatchObject({ emailConfirmed: true });
      const { code } = await strict.client.execute(ConfirmEmailDocument, { token });
      expect(code).toBe('INVALID_TOKEN');
    } finally {
      await strict.close();
    }
  });
});

describe('a first sign-in by Google that races with another change', () => {
  /** Runs `meanwhile` while another connection holds a row, and then releases it. */
  const holding = async (on: TestGateway, row: string, values: unknown[], meanwhile: () => Promise<void>) => {
    const connection = await on.database.connect();
    try {
      await connection.query('begin');
      await connection.query(row, values);
      await meanwhile();
      await connection.query('commit');
    } finally {
      await connection.end();
    }
  };
  const waiting = (on: TestGateway, count: number) =>
    eventually(on.database.lockWaiters, (waiters) => waiters >= count);

  it('waits for a registration with the same address that is being confirmed, and is linked to its account', async () => {
    const strict = await TestGateway.start({ ...google.settings, EMAIL_CONFIRMATION: 'required' });
    try {
      const person = aPerson();
      const email = person.email ?? '';
      const input = { username: 'ada', email, password: 'velvet anchor rising' };
      await strict.client.execute(RegisterDocument, { input });
      const token = await strict.mailbox.token(email, 'confirm-email');
      let replies: Promise<[Reply<ConfirmEmailMutation>, Reply<LoginWithGoogleMutation>]> | undefined;
      await holding(
        strict,
        'select from pending_registration where email = $1 for update',
        [email],
        async () => {
          const { password } = input;
          const confirmation = strict.client.execute(ConfirmEmailDocument, { token, password });
          await waiting(strict, 1);
          replies = Promise.all([confirmation, signIn(person, strict)]);
          await waiting(strict, 2);
        },
      );
      const [confirmation, login] = (await replies) ?? [];
      expect(confirmation?.data?.confirmEmail.username).toBe('ada');
      expect(login && authenticated(login).user.id).toBe(confirmation?.data?.confirmEmail.id);
    } finally {
      await strict.close();
    }
  });

  it('creates an account when the one with the address is deleted at that moment', async () => {
    const { person, subject } = await aGmailSubject();
    let reply: Promise<Reply<LoginWithGoogleMutation>> | undefined;
    await holding(gateway, 'delete from users where id = $1', [subject.id], async () => {
      reply = signIn(person);
      await waiting(gateway, 1);
    });
    const { user } = authenticated((await reply) as Reply<LoginWithGoogleMutation>);
    expect(user.id).not.toBe(subject.id);
  });

  it('creates a new account when the previous account of the Google identity was deleted', async () => {
    const person = aPerson();
    const { accessToken, user } = authenticated(await signIn(person));
    await gateway.client.raw('mutation { deleteAccount }', {}, { bearer: accessToken ?? '' });
    const again = await signIn(person);
    expect(authenticated(again).user.id).not.toBe(user.id);
    expect(await me(again)).toMatchObject({ email: person.email, googleLinked: true });
  });
});

describe('an address that has an account', () => {
  it('is linked when the account confirmed it and Google hosts it, and the owner is told', async () => {
    const { person, subject } = await aGmailSubject();
    await gateway.confirm(subject);
    const reply = await signIn(person);
    expect(authenticated(reply).user.id).toBe(subject.id);
    expect(await me(reply)).toMatchObject({ hasPassword: true, googleLinked: true });
    await gateway.mailbox.expect(subject.email, /Google account was linked/);
    await subject.signedIn();
  });

  it('is linked for a Workspace account of its own domain', async () => {
    const subject = await gateway.confirm(await gateway.aSubject());
    const person = aPerson({ email: subject.email, hd: 'example.test' });
    expect(authenticated(await signIn(person)).user.id).toBe(subject.id);
  });

  it.each([
    ['that Google does not host', {}],
    ['that Google did not verify', { email_verified: false, hd: 'example.test' }],
    ['whose token does not say whether it is verified', { email_verified: undefined, hd: 'example.test' }],
    ['whose domain differs from that of the Workspace account', { hd: 'elsewhere.test' }],
    ['whose domain is below that of the Workspace account', { hd: 'test' }],
    ['whose token has email_verified as a text', { email_verified: 'true' as never, hd: 'example.test' }],
  ])('is not linked: one %s', async (_, facts) => {
    const subject = await gateway.confirm(await gateway.aSubject());
    const reply = await signIn(aPerson({ email: subject.email, ...facts }));
    expect(linkChallenge(reply)).toBeTruthy();
    expect(reply.headers.getSetCookie()).toEqual([]);
    const { accessToken } = await subject.signedIn();
    expect((await subject.me(accessToken)).data?.me?.googleLinked).toBe(false);
  });

  it('is not linked to a second Google account, since the mailbox may have a new owner', async () => {
    const { person, subject } = await aGmailSubject();
    await gateway.confirm(subject);
    expect(authenticated(await signIn(person)).user.id).toBe(subject.id);
    const successor = aPerson({ email: person.email ?? '' });
    const challenge = linkChallenge(await signIn(successor));
    // The owner of the account can allow it with the password.
    expect((await loginLinking(subject, challenge)).data).not.toBeNull();
    expect(authenticated(await signIn(successor)).user.id).toBe(subject.id);
    expect(linkChallenge(await signIn(person))).toBeTruthy();
    // It replaced the other Google account. Both changes are told to the owner and audited.
    await gateway.mailbox.expect(subject.email, /Google account was unlinked/);
    const recorded = await gateway.database.query<{ action: string }>(
      `select action from audit_event where subject_id = $1 and action like 'google.%' order by id`,
      [subject.id],
    );
    expect(recorded.map(({ action }) => action)).toEqual([
      'google.linked',
      'google.unlinked',
      'google.linked',
    ]);
  });

  it('leads to its former account while that account can still undo its e-mail change', async () => {
    const { person, subject } = await aGmailSubject();
    await gateway.confirm(subject);
    const { accessToken } = await subject.signedIn();
    const newEmail = `elsewhere-${subject.email}`;
    await gateway.client.execute(
      ChangeEmailDocument,
      { newEmail, password: subject.password },
      { bearer: accessToken },
    );
    const mail = await gateway.mailbox.expect(newEmail, /confirm-email#token=/);
    const token = /#token=([\w-]+)/.exec(mail.text)?.[1] ?? '';
    await gateway.client.execute(ConfirmEmailDocument, { token });
    const challenge = linkChallenge(await signIn(person));
    expect((await loginLinking(subject, challenge)).data).not.toBeNull();
  });
});

describe('a link challenge', () => {
  const challenged = async () => {
    const subject = await gateway.confirm(await gateway.aSubject());
    const person = aPerson({ email: subject.email });
    return { subject, person, challenge: linkChallenge(await signIn(person)) };
  };

  it('links when the owner logs in with it', async () => {
    const { subject, person, challenge } = await challenged();
    expect((await loginLinking(subject, challenge)).data?.login.__typename).toBe('Authenticated');
    expect(authenticated(await signIn(person)).user.id).toBe(subject.id);
    await gateway.mailbox.expect(subject.email, /Google account was linked/);
  });

  it('links nothing with a wrong password, and stays valid', async () => {
    const { subject, person, challenge } = await challenged();
    expect((await loginLinking(subject, challenge, 'wrong anchor rising')).code).toBe('INVALID_CREDENTIALS');
    expect(linkChallenge(await signIn(person))).toBeTruthy();
    expect((await loginLinking(subject, challenge)).data).not.toBeNull();
  });

  it('is refused for another account', async () => {
    const { person, challenge } = await challenged();
    const thief = await gateway.aSubject();
    expect((await loginLinking(thief, challenge)).code).toBe('INVALID_TOKEN');
    expect(await gateway.sessions.count(thief.id)).toBe(0);
    expect(linkChallenge(await signIn(person))).toBeTruthy();
  });

  it('expires after ten minutes', async () => {
    const { subject, challenge } = await challenged();
    await gateway.database.query(
      `update link_challenge set expires_at = expires_at - interval '601 seconds'`,
    );
    expect((await loginLinking(subject, challenge)).code).toBe('INVALID_TOKEN');
  });

  it('works once when it comes twenty times at once', async () => {
    const { subject, challenge } = await challenged();
    const replies = await race(20, () => loginLinking(subject, challenge));
    expect(replies.filter(({ data }) => data)).toHaveLength(1);
    expect(replies.filter(({ code }) => code === 'INVALID_TOKEN')).toHaveLength(19);
  });

  it('waits for the second factor when the account has one', async () => {
    const subject = await gateway.confirm(await gateway.aSubject());
    const { app } = await enrol(gateway, subject);
    const person = aPerson({ email: subject.email });
    const first = await loginLinking(subject, linkChallenge(await signIn(person)));
    const pending = first.data?.login;
    if (pending?.__typename !== 'SecondFactorRequired') throw new Error(first.text);
    expect(linkChallenge(await signIn(person))).toBeTruthy();
    const complete = (securityCode: string) =>
      gateway.client.execute(CompleteLoginDocument, {
        input: { challenge: pending.challenge, securityCode },
      });
    expect((await complete(app.wrongCode())).code).toBe('INVALID_CREDENTIALS');
    expect(linkChallenge(await signIn(person))).toBeTruthy();
    expect((await complete(app.code())).data).not.toBeNull();
    expect((await signIn(person)).data?.loginWithGoogle.__typename).toBe('SecondFactorRequired');
  });
});

describe("an account that another person registered with the owner's address", () => {
  it('loses every credential when the owner of the address signs in by Google', async () => {
    const person = aPerson();
    const planted = await gateway.aSubject({ email: person.email ?? '' });
    const attacker = await planted.signedIn();
    const { app, recoveryCodes } = await enrol(gateway, planted);
    const waiting = await planted.login();
    const pending = waiting.data?.login;
    if (pending?.__typename !== 'SecondFactorRequired') throw new Error(waiting.text);
    const confirmation = await gateway.mailbox.token(planted.email, 'confirm-email');
    await gateway.client.execute(RecoverAccountDocument, { email: planted.email });
    const reset = await gateway.mailbox.token(planted.email, 'reset-password');
    await gateway.database.query(
      `insert into google_identity (id, user_id, issuer, subject) values (gen_random_uuid(), $1, 'https://trojan', '1')`,
      [planted.id],
    );

    await gateway.database.query(
      `insert into kyc_record (id, blockpass_id, user_id, sealed_tokens, linked_at) values (gen_random_uuid(), 'trojan', $1, '', now())`,
      [planted.id],
    );

    const reply = await signIn(person);
    expect(authenticated(reply).user.id).toBe(planted.id);
    expect(await me(reply)).toMatchObject({ emailConfirmed: true, hasPassword: false });
    const [factors] = await gateway.database.query(
      `select second_factor_since, (select count(*)::int from totp_authenticator t where t.user_id = u.id) as totp,
              (select count(*)::int from recovery_code r where r.user_id = u.id) as codes
       from users u where id = $1`,
      [planted.id],
    );
    expect(factors).toEqual({ second_factor_since: null, totp: 0, codes: 0 });

    expect((await planted.login()).code).toBe('INVALID_CREDENTIALS');
    expect((await planted.me(attacker.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await planted.refresh(attacker.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    const complete = (code: object) =>
      gateway.client.execute(CompleteLoginDocument, { input: { challenge: pending.challenge, ...code } });
    expect((await complete({ securityCode: app.code() })).code).toBe('INVALID_TOKEN');
    expect((await complete({ recoveryCode: recoveryCodes[0] })).code).toBe('INVALID_TOKEN');
    const identities = await gateway.database.query('select issuer from google_identity where user_id = $1', [
      planted.id,
    ]);
    expect(identities).toEqual([{ issuer: google.url }]);
    const [record] = await gateway.database.query(
      `select user_id, linked_at from kyc_record where blockpass_id = 'trojan'`,
    );
    expect(record).toEqual({ user_id: null, linked_at: null });
    const [devices] = await gateway.database.query(
      'select count(*)::int from known_device where user_id = $1',
      [planted.id],
    );
    expect(devices).toEqual({ count: 1 });
    for (const token of [confirmation, reset]) {
      expect((await gateway.client.execute(ConfirmEmailDocument, { token })).code).toBe('INVALID_TOKEN');
      const { code } = await gateway.client.execute(ResetPasswordDocument, {
        token,
        newPassword: 'copper lantern drifting',
      });
      expect(code).toBe('INVALID_TOKEN');
    }
  });

  it('loses them too when the owner resets the password before the first Google sign-in', async () => {
    const [person, trojan] = [aPerson(), aPerson()];
    const planted = await gateway.aSubject({ email: person.email ?? '' });
    const { accessToken: bearer } = (await enrol(gateway, planted)).tokens;
    const idToken = await google.idToken({ ...trojan, nonce: await newNonce(gateway.client) });
    expect((await gateway.client.execute(LinkGoogleDocument, { idToken }, { bearer })).data).not.toBeNull();

    await gateway.client.execute(RecoverAccountDocument, { email: planted.email });
    const token = await gateway.mailbox.token(planted.email, 'reset-password');
    const password = 'copper lantern drifting';
    await gateway.client.execute(ResetPasswordDocument, { token, newPassword: password });
    await gateway.mailbox.expect(planted.email, /Two-step sign-in was turned off/);

    const { accessToken } = await planted.signedIn({ password });
    expect((await planted.me(accessToken)).data?.me).toMatchObject({
      emailConfirmed: true,
      googleLinked: false,
    });
    expect(authenticated(await signIn(trojan)).user.id).not.toBe(planted.id);
    const [kept] = await gateway.database.query(
      `select (select count(*)::int from known_device where user_id = $1) as devices,
              (select count(*)::int from recovery_code where user_id = $1) as codes`,
      [planted.id],
    );
    // The two devices are those of the reset and of the sign-in just now, which both came without a cookie.
    expect(kept).toEqual({ devices: 2, codes: 0 });
    expect(authenticated(await signIn(person)).user.id).toBe(planted.id);
  });

  it('that moved to another address does not keep the one it never confirmed', async () => {
    const person = aPerson();
    const planted = await gateway.aSubject({ email: person.email ?? '' });
    const { accessToken: bearer } = await planted.signedIn();
    const newEmail = `attacker-${planted.id}@example.test`;
    await gateway.client.execute(ChangeEmailDocument, { newEmail, password: planted.password }, { bearer });
    const token = await gateway.mailbox.token(newEmail, 'confirm-email');
    await gateway.client.execute(ConfirmEmailDocument, { token });
    const reply = await signIn(person);
    expect(authenticated(reply).user.id).not.toBe(planted.id);
    expect(await me(reply)).toMatchObject({ email: person.email, emailConfirmed: true });
  });

  it('is not claimed when it has a role, because a claim would remove its second factor', async () => {
    const person = aPerson();
    const moderator = await gateway.aSubject({ email: person.email ?? '' });
    await grant(gateway, moderator.id, (await aRole(gateway)).name);
    const { accessToken } = await moderator.signedIn();
    expect(linkChallenge(await signIn(person))).toBeTruthy();
    expect((await moderator.me(accessToken)).data?.me?.emailConfirmed).toBe(false);
  });

  it('is not opened by an address that Google does not host', async () => {
    const planted = await gateway.aSubject();
    const { accessToken } = await planted.signedIn();
    expect(linkChallenge(await signIn(aPerson({ email: planted.email })))).toBeTruthy();
    expect((await planted.me(accessToken)).data?.me?.emailConfirmed).toBe(false);
  });
});

describe('a Google sign-in', () => {
  it('asks for the second factor', async () => {
    const { person, subject } = await aGmailSubject();
    await gateway.confirm(subject);
    await signIn(person);
    const { app } = await enrol(gateway, subject);
    const reply = await signIn(person);
    const pending = reply.data?.loginWithGoogle;
    if (pending?.__typename !== 'SecondFactorRequired') throw new Error(reply.text);
    expect(reply.headers.getSetCookie()).toEqual([]);
    const { data } = await gateway.client.execute(CompleteLoginDocument, {
      input: { challenge: pending.challenge, securityCode: app.code() },
    });
    expect(data?.completeLogin.session).toMatchObject({ authenticationMethods: ['google', 'otp'], aal: 2 });
  });

  it('of a deactivated account answers like an invalid token', async () => {
    const { person, subject } = await aGmailSubject();
    await gateway.confirm(subject);
    const unlinked = await aGmailSubject();
    await signIn(person);
    for (const { id } of [subject, unlinked.subject]) {
      await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [id]);
    }
    const bad = await oneTap(gateway.client, google, aPerson(), { nonce: 'bad' });
    for (const someone of [person, unlinked.person]) {
      const reply = await signIn(someone);
      expect([reply.code, reply.errors[0]?.message]).toEqual([bad.code, bad.errors[0]?.message]);
    }
    // The address is not claimed either.
    const [row] = await gateway.database.query('select email_confirmed_at from users where id = $1', [
      unlinked.subject.id,
    ]);
    expect(row).toEqual({ email_confirmed_at: null });
  });
});

describe('undoing an e-mail change', () => {
  it('removes a Google account that was linked after the change', async () => {
    const subject = await gateway.confirm(await gateway.aSubject());
    const { accessToken } = await subject.signedIn();
    const thief = aPerson();
    await gateway.client.execute(
      ChangeEmailDocument,
      { newEmail: thief.email ?? '', password: subject.password },
      { bearer: accessToken },
    );
    const undo = await gateway.mailbox.token(subject.email, 'undo-email-change');
    const token = await gateway.mailbox.token(thief.email ?? '', 'confirm-email');
    await gateway.client.execute(ConfirmEmailDocument, { token });
    expect(authenticated(await signIn(thief)).user.id).toBe(subject.id);

    expect((await gateway.client.execute(UndoEmailChangeDocument, { token: undo })).data).not.toBeNull();
    expect(authenticated(await signIn(thief)).user.id).not.toBe(subject.id);
  });

  it('removes one that was linked before the change too, since the same thief may have linked it', async () => {
    const subject = await gateway.confirm(await gateway.aSubject());
    const { accessToken: bearer } = await subject.signedIn();
    const thief = aPerson();
    const idToken = await google.idToken({ ...thief, nonce: await newNonce(gateway.client) });
    expect((await gateway.client.execute(LinkGoogleDocument, { idToken }, { bearer })).data).not.toBeNull();
    const newEmail = `thief-${subject.email}`;
    await gateway.client.execute(ChangeEmailDocument, { newEmail, password: subject.password }, { bearer });
    const undo = await gateway.mailbox.token(subject.email, 'undo-email-change');
    expect((await gateway.client.execute(UndoEmailChangeDocument, { token: undo })).data).not.toBeNull();
    expect(authenticated(await signIn(thief)).user.id).not.toBe(subject.id);
  });

  it('is harmless for the owner, whose own Google account is linked again at the next sign-in', async () => {
    const { person, subject } = await aGmailSubject();
    await gateway.confirm(subject);
    await signIn(person);
    const { accessToken } = await subject.signedIn();
    await gateway.client.execute(
      ChangeEmailDocument,
      { newEmail: `thief-${subject.email}`, password: subject.password },
      { bearer: accessToken },
    );
    const undo = await gateway.mailbox.token(subject.email, 'undo-email-change');
    expect((await gateway.client.execute(UndoEmailChangeDocument, { token: undo })).data).not.toBeNull();
    expect(authenticated(await signIn(person)).user.id).toBe(subject.id);
  });
});

describe('resetting the password', () => {
  it('keeps the Google account linked, and the mail says so', async () => {
    const { person, subject } = await aGmailSubject();
    await gateway.confirm(subject);
    await signIn(person);
    await gateway.client.execute(RecoverAccountDocument, { email: subject.email });
    const token = await gateway.mailbox.token(subject.email, 'reset-password');
    const newPassword = 'copper lantern drifting';
    await gateway.client.execute(ResetPasswordDocument, { token, newPassword });
    const { text } = await gateway.mailbox.expect(subject.email, /Your password was reset/);
    expect(text.replace(/\s+/g, ' ')).toContain('is linked to your account and can still sign in');
    expect(authenticated(await signIn(person)).user.id).toBe(subject.id);
  });
});

describe('a gateway without GOOGLE_CLIENT_ID', () => {
  it('says that Google sign-in is off, and has no routes for it', async () => {
    const plain = await TestGateway.start();
    try {
      const subject = await plain.aSubject();
      const { accessToken: bearer } = await subject.signedIn();
      const operations = [
        'startGoogleSignIn { nonce }',
        'loginWithGoogle(idToken: "x") { __typename }',
        'completeGoogleLogin(code: "x") { __typename }',
        'linkGoogle(idToken: "x") { id }',
        'unlinkGoogle { id }',
      ];
      for (const operation of operations) {
        const { code, errors } = await plain.client.raw(`mutation { ${operation} }`, {}, { bearer });
        expect([operation, code]).toEqual([operation, 'NOT_FOUND']);
        expect(errors[0]?.message).toContain('not set up');
      }
      await plain.database.query(
        `insert into google_identity (id, user_id, issuer, subject) values (gen_random_uuid(), $1, 'of before', '1')`,
        [subject.id],
      );
      plain.clock.advance(301);
      const { errors } = await plain.client.execute(UnlinkGoogleDocument, {}, { bearer });
      expect(errors[0]?.extensions).toMatchObject({ methods: ['password'] });
      for (const path of ['start', 'callback']) {
        expect((await fetch(`${plain.url}/oauth/google/${path}`)).status).toBe(404);
      }
    } finally {
      await plain.close();
    }
  });
});

it('a person who registered by Google can set a password within five minutes', async () => {
  const person = aPerson();
  const reply = authenticated(await signIn(person));
  const { data } = await gateway.client.execute(
    ChangePasswordDocument,
    { newPassword: 'copper lantern drifting' },
    { bearer: reply.accessToken ?? '' },
  );
  expect(data?.changePassword).toBe(true);
});
