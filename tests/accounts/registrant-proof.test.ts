import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ConfirmEmailDocument,
  LogoutDocument,
  RecoverAccountDocument,
  ResendEmailConfirmationDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { enrol } from '../support/second-factor.ts';
import { aRole, grant } from '../support/staff.ts';
import { Subject, tokensOf } from '../support/subject.ts';

let optional: TestGateway;
let required: TestGateway;
let second: TestGateway;

beforeAll(async () => {
  optional = await TestGateway.start();
  required = await optional.another({ EMAIL_CONFIRMATION: 'required' });
  second = await optional.another({ EMAIL_CONFIRMATION: 'required' });
});
afterAll(async () => {
  await second.close();
  await required.close();
  await optional.close();
});

const NEW_PASSWORD = 'copper lantern drifting';
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0';

let counter = 0;
const anAddress = () => `contested-${++counter}@example.test`;
/** Registers a person in a browser of their own, and waits until the mail was sent. */
const registers = async (at: TestGateway, email = anAddress()) => {
  const browser = at.browser();
  const subject = await Subject.register(browser, { email });
  await optional.mailbox.settled();
  return { browser, subject };
};
const confirm = (client: Client, token: string, password?: string) =>
  client.execute(ConfirmEmailDocument, { token, password: password ?? null });
const resend = (client: Client, email: string) => client.execute(ResendEmailConfirmationDocument, { email });
/** The newest mail to the address, after all mails were sent. */
const newestMail = async (email: string) => {
  await optional.mailbox.settled();
  const [mail] = await optional.mailbox.to(email);
  if (!mail) throw new Error('no mail');
  return mail;
};
const linksIn = (text: string) => [...text.matchAll(/#token=([\w-]+)/g)].map(([, token = '']) => token);
/** The link of the mail that a registration causes. */
const linkOf = async ({ email }: Subject) => linksIn((await newestMail(email)).text)[0] ?? '';
const accountsWith = (email: string) =>
  optional.database.query<{ username: string; confirmed: boolean }>(
    'select username, email_confirmed_at is not null as confirmed from users where email_key = $1',
    [email],
  );

describe.each([
  ['optional', () => optional],
  ['required', () => required],
])('with EMAIL_CONFIRMATION=%s, a registration', (_mode, at) => {
  it('needs no password in the browser that made it, and the confirmation deletes its registration mark', async () => {
    const { browser, subject } = await registers(at());
    expect(browser.cookies.has('gatehouse_registration')).toBe(true);
    const { data } = await confirm(browser, await linkOf(subject));
    expect(data?.confirmEmail).toMatchObject({ id: subject.id, emailConfirmed: true });
    const marks = await optional.database.query('select from registration_mark where registration_id = $1', [
      subject.id,
    ]);
    expect(marks).toEqual([]);
  });

  it('is confirmed in another browser by its password, and only by the right one', async () => {
    const { subject } = await registers(at());
    const [phone, token] = [at().browser(), await linkOf(subject)];
    const asked = await confirm(phone, token);
    expect(asked.errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      fields: [{ field: 'password', message: expect.stringContaining('password of this registration') }],
    });
    expect((await confirm(phone, token, 'not my velvet anchor')).code).toBe('INVALID_CREDENTIALS');
    expect((await confirm(phone, token, 'x'.repeat(100_000))).code).toBe('BAD_USER_INPUT');
    expect((await accountsWith(subject.email)).filter(({ confirmed }) => confirmed)).toEqual([]);
    expect((await confirm(phone, token, subject.password)).data?.confirmEmail.emailConfirmed).toBe(true);
  });

  it('is not confirmed by an altered registration mark, or by one of another registration', async () => {
    const { browser, subject } = await registers(at());
    const stranger = await registers(at());
    const token = await linkOf(subject);
    expect((await confirm(stranger.browser, token)).code).toBe('BAD_USER_INPUT');
    browser.cookies.set('gatehouse_registration', 'A'.repeat(43));
    expect((await confirm(browser, token)).code).toBe('BAD_USER_INPUT');
  });

  it('is not confirmed by its registration mark after that has expired', async () => {
    const { browser, subject } = await registers(at());
    const token = await linkOf(subject);
    await optional.database.query(
      'update registration_mark set expires_at = now() where registration_id = $1',
      [subject.id],
    );
    expect((await confirm(browser, token)).code).toBe('BAD_USER_INPUT');
  });

  it('stores the registration mark as a hash, and in a cookie that scripts cannot read', async () => {
    const browser = at().browser();
    const { headers } = await browser.raw(
      'mutation ($input: RegisterInput!) { register(input: $input) { id } }',
      {
        input: {
          username: `marked-${++counter}`,
          email: anAddress(),
          password: NEW_PASSWORD,
        },
      },
    );
    const [cookie = ''] = headers.getSetCookie();
    expect(cookie).toMatch(
      /^gatehouse_registration=[\w-]{43}; Max-Age=86400; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    const mark = browser.cookies.get('gatehouse_registration') ?? '';
    const rows = JSON.stringify(await optional.database.query('select * from registration_mark'));
    expect(rows).not.toContain(mark);
    expect(rows).not.toContain(Buffer.from(mark).toString('hex'));
  });
});

describe("a stranger who registered another person's address", () => {
  it('gets no account when the owner, who registered too, opens the link (confirmation required)', async () => {
    const owner = await registers(required);
    const { email } = owner.subject;
    const ownLink = await linkOf(owner.subject);
    const stranger = await registers(required, email);
    const strangersLink = await linkOf(stranger.subject);

    for (const password of [undefined, owner.subject.password]) {
      const refused = await confirm(owner.browser, strangersLink, password);
      expect(refused.code).toBe(password === undefined ? 'BAD_USER_INPUT' : 'INVALID_CREDENTIALS');
    }
    expect((await confirm(owner.browser, ownLink)).data?.confirmEmail.username).toBe(owner.subject.username);
    expect((await confirm(stranger.browser, strangersLink)).code).toBe('INVALID_TOKEN');
    expect((await stranger.subject.login()).code).toBe('INVALID_CREDENTIALS');
    expect(await accountsWith(email)).toEqual([{ username: owner.subject.username, confirmed: true }]);
  });

  it("gets no link in the mail that the owner's browser requests again", async () => {
    const owner = await registers(required);
    const { email } = owner.subject;
    await registers(required, email);
    await resend(owner.browser, email);
    const { text } = await newestMail(email);
    expect(text).toContain(owner.subject.username);
    expect(linksIn(text)).toHaveLength(1);
    expect((await confirm(owner.browser, linksIn(text)[0] ?? '')).data?.confirmEmail.id).toBe(
      owner.subject.id,
    );
  });

  it('gets no confirmed account when the owner, who has no account, opens the link (confirmation optional)', async () => {
    const stranger = await registers(optional);
    const { email, id } = stranger.subject;
    const { accessToken } = await stranger.subject.signedIn();
    const owner = optional.browser();
    await resend(owner, email);
    const token = await linkOf(stranger.subject);
    expect((await confirm(owner, token)).code).toBe('BAD_USER_INPUT');
    expect((await accountsWith(email))[0]?.confirmed).toBe(false);

    // The page tells the owner to do this instead.
    await owner.execute(RecoverAccountDocument, { email });
    const reset = await optional.mailbox.token(email, 'reset-password');
    await owner.execute(ResetPasswordDocument, { token: reset, newPassword: NEW_PASSWORD });
    expect((await stranger.subject.me(accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await stranger.subject.login()).code).toBe('INVALID_CREDENTIALS');
    expect((await confirm(stranger.browser, token)).code).toBe('INVALID_TOKEN');
    const { data } = await stranger.subject.login({ client: owner, password: NEW_PASSWORD });
    expect(data?.login).toHaveProperty('accessToken');
    expect((await accountsWith(email))[0]).toEqual({ username: stranger.subject.username, confirmed: true });
    expect(id).toBe(stranger.subject.id);
  });

  it('cannot have the address moved to their account when an owner who has just registered opens the link', async () => {
    const owner = await registers(required);
    const { email } = owner.subject;
    const thief = await required.confirm(await required.aSubject());
    const { accessToken: bearer } = await thief.signedIn();
    await required.client.execute(
      ChangeEmailDocument,
      { newEmail: email, password: thief.password },
      { bearer },
    );
    const token = await linkOf(owner.subject);
    expect((await newestMail(email)).text).toContain('wants to use this address');
    expect((await confirm(owner.browser, token)).code).toBe('BAD_USER_INPUT');
    expect((await confirm(owner.browser, token, owner.subject.password)).code).toBe('INVALID_CREDENTIALS');
    expect(await accountsWith(email)).toEqual([]);
    expect((await confirm(required.client, token, thief.password)).data?.confirmEmail.email).toBe(email);
  });
});

describe('a session', () => {
  it('of the account confirms its address in any browser; an ended session or a session of another account does not', async () => {
    const { subject } = await registers(optional);
    const token = await linkOf(subject);
    const other = await optional.aSubject();
    const withBearer = (bearer: string) =>
      optional.client.execute(ConfirmEmailDocument, { token, password: null }, { bearer });
    expect((await withBearer((await other.signedIn()).accessToken)).code).toBe('BAD_USER_INPUT');
    const ended = (await subject.signedIn({ client: optional.client })).accessToken;
    await optional.client.execute(LogoutDocument, {}, { bearer: ended });
    expect((await withBearer(ended)).code).toBe('BAD_USER_INPUT');

    const phone = optional.browser();
    tokensOf(await subject.login({ client: phone }));
    expect((await confirm(phone, token)).data?.confirmEmail.emailConfirmed).toBe(true);
  });
});

describe('password guesses for a registration', () => {
  it('are limited for each registration, except in the browser that made it', async () => {
    const limited = await optional.another({
      RATE_LIMIT: 'on',
      RATE_LIMIT_RULES: 'confirmEmail.registration=3/3600',
    });
    try {
      const [one, two] = [await registers(optional), await registers(optional)];
      const [token, other] = [await linkOf(one.subject), await linkOf(two.subject)];
      const guess = (of: string, password: string) => confirm(limited.client, of, password);
      // The right password refunds its charge.
      expect((await guess(other, two.subject.password)).errors).toEqual([]);
      for (let n = 0; n < 3; n += 1) {
        expect((await guess(token, `wrong password ${n}`)).code).toBe('INVALID_CREDENTIALS');
      }
      expect((await guess(token, one.subject.password)).code).toBe('RATE_LIMITED');
      const sameBrowser = await limited.client.execute(
        ConfirmEmailDocument,
        { token, password: null },
        {
          headers: {
            cookie: `gatehouse_registration=${one.browser.cookies.get('gatehouse_registration')}`,
          },
        },
      );
      expect(sameBrowser.data?.confirmEmail.emailConfirmed).toBe(true);
    } finally {
      await limited.close();
    }
  });
});

describe('the confirmation mail', () => {
  it('names the registration, its time and its client, and says what to do if it was not the reader', async () => {
    const email = anAddress();
    const username = 'visit.evil.example';
    await required.client.raw(
      'mutation ($input: RegisterInput!) { register(input: $input) { id } }',
      { input: { username, email, password: NEW_PASSWORD } },
      { headers: { 'user-agent': FIREFOX } },
    );
    const { text, html } = await newestMail(email);
    const words = text.replace(/\s+/g, ' ');
    // A word joiner behind each dot, so that mail programs do not make a link of the name.
    expect(words).toMatch(
      /“visit\.\u2060evil\.\u2060example” \(\d{4}-\d\d-\d\d \d\d:\d\d UTC, Firefox on Windows\)/,
    );
    for (const part of [text, html]) expect(part).not.toContain(username);
    expect(words).toContain('If you did not register, ignore this mail.');
    expect(words).toContain('it asks for the password of the registration');
  });

  it('lists at most five registrations when another browser requests it, each with its own link', async () => {
    const email = anAddress();
    const people = [];
    for (let n = 0; n < 6; n += 1) people.push(await registers(required, email));
    await resend(required.client, email);
    const { text } = await newestMail(email);
    const links = linksIn(text);
    expect(links).toHaveLength(5);
    expect(new Set(links).size).toBe(5);
    const [oldest, chosen] = people;
    expect(text).not.toContain(oldest?.subject.username);
    // The newest stands first.
    const { data } = await confirm(required.client, links[4] ?? '', chosen?.subject.password);
    expect(data?.confirmEmail.username).toBe(chosen?.subject.username);
    for (const token of links) {
      expect((await confirm(required.client, token, chosen?.subject.password)).code).toBe('INVALID_TOKEN');
    }
  });
});

describe('the first confirmation of an address', () => {
  const countOf = async (table: string, { id }: Subject) =>
    (await optional.database.query(`select from ${table} where user_id = $1`, [id])).length;

  it('takes it from an account that never confirmed it, and voids every credential of that account', async () => {
    const { subject: squatter } = await registers(optional);
    const { email } = squatter;
    const { tokens } = await enrol(optional, squatter);
    await optional.database.query(
      `insert into google_identity (id, user_id, issuer, subject)
       values (gen_random_uuid(), $1, 'https://accounts.google.com', 'planted')`,
      [squatter.id],
    );
    await optional.client.execute(RecoverAccountDocument, { email });
    const reset = await optional.mailbox.token(email, 'reset-password');

    const owner = await registers(required, email);
    const mail = await newestMail(email);
    expect(mail.text.replace(/\s+/g, ' ')).toContain(
      'An account that never confirmed this address has it now',
    );
    const { data } = await confirm(owner.browser, linksIn(mail.text)[0] ?? '');
    expect(data?.confirmEmail).toMatchObject({ id: owner.subject.id, email, emailConfirmed: true });

    expect(await accountsWith(email)).toEqual([{ username: owner.subject.username, confirmed: true }]);
    for (const table of ['password_credential', 'google_identity', 'totp_authenticator', 'recovery_code']) {
      expect([table, await countOf(table, squatter)]).toEqual([table, 0]);
    }
    for (const table of ['known_device', 'one_time_token']) {
      expect([table, await countOf(table, squatter)]).toEqual([table, 0]);
    }
    // The confirmation went to another process, so this one learns of it within a second.
    await optional.gateway.caughtUp();
    expect((await squatter.me(tokens.accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await squatter.refresh(tokens.refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
    expect((await squatter.login()).code).toBe('INVALID_CREDENTIALS');
    const { code } = await optional.client.execute(ResetPasswordDocument, {
      token: reset,
      newPassword: NEW_PASSWORD,
    });
    expect(code).toBe('INVALID_TOKEN');
  });

  it.each(['a role', 'a deactivation by an administrator'])(
    'does not take it from an account with %s, and the mail says that the account exists',
    async (what) => {
      const { subject } = await registers(optional);
      if (what === 'a role') await grant(optional, subject.id, (await aRole(optional)).name);
      else {
        await optional.database.query(`update users set deactivated_by = 'ADMIN' where id = $1`, [
          subject.id,
        ]);
      }
      await registers(required, subject.email);
      const mail = await newestMail(subject.email);
      expect(mail.subject).toContain('You have an account');
      expect(linksIn(mail.text)).toEqual([]);
    },
  );

  it('succeeds for one of two registrations that are confirmed at once in two processes', async () => {
    for (let round = 0; round < 5; round += 1) {
      const email = anAddress();
      const one = await registers(required, email);
      const first = await linkOf(one.subject);
      const two = await registers(second, email);
      const next = await linkOf(two.subject);
      const replies = await race(2, (index) =>
        index === 0 ? confirm(one.browser, first) : confirm(two.browser, next),
      );
      expect(replies.filter(({ data }) => data)).toHaveLength(1);
      expect(replies.find(({ data }) => !data)?.code).toBe('INVALID_TOKEN');
      expect(await accountsWith(email)).toHaveLength(1);
    }
  });
});
