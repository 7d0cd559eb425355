import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ConfirmEmailDocument,
  PublicProfileDocument,
  RegisterDocument,
  ResendEmailConfirmationDocument,
} from '../support/generated/operations.ts';
import { tokenOf } from '../support/mailbox.ts';
import { eventually, race } from '../support/race.ts';
import { Subject } from '../support/subject.ts';

let gateway: TestGateway;
let strict: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
  strict = await gateway.another({ EMAIL_CONFIRMATION: 'required' });
});
afterAll(async () => {
  await strict.close();
  await gateway.close();
});

const PASSWORD = 'velvet anchor rising';
const confirm = (token: string, password: string | null = PASSWORD, at = gateway) =>
  at.client.execute(ConfirmEmailDocument, { token, password });
const resend = (email: string, at = gateway) => at.client.execute(ResendEmailConfirmationDocument, { email });
let counter = 0;
const unique = () => `waiting${++counter}`;

describe('an account that registered', () => {
  it('gets a link whose token confirms its address once', async () => {
    const alice = await gateway.aSubject();
    const token = await gateway.mailbox.token(alice.email, 'confirm-email');
    expect((await confirm(token, alice.password)).data?.confirmEmail).toMatchObject({
      id: alice.id,
      email: alice.email,
      emailConfirmed: true,
    });
    const { accessToken } = await alice.signedIn();
    expect((await alice.me(accessToken)).data?.me?.emailConfirmed).toBe(true);
    expect((await confirm(token)).code).toBe('INVALID_TOKEN');
  });

  it('confirms once when the link is used twenty times at once, over two processes', async () => {
    const alice = await gateway.aSubject();
    const token = await gateway.mailbox.token(alice.email, 'confirm-email');
    const replies = await race(20, (index) =>
      confirm(token, alice.password, index % 2 === 0 ? gateway : strict),
    );
    expect(replies.filter(({ data }) => data).length).toBe(1);
    expect(new Set(replies.filter(({ data }) => !data).map(({ code }) => code))).toEqual(
      new Set(['INVALID_TOKEN']),
    );
  });

  it('gets a new link on request while the former one still works; using either voids the other', async () => {
    for (const use of ['former', 'newest'] as const) {
      const alice = await gateway.aSubject();
      const former = await gateway.mailbox.token(alice.email, 'confirm-email');
      expect((await resend(alice.email.toUpperCase())).data).toEqual({ resendEmailConfirmation: true });
      await gateway.mailbox.settled();
      const [mail] = await gateway.mailbox.to(alice.email);
      if (!mail) throw new Error('no mail');
      const links = { former, newest: tokenOf(mail) };
      expect(links.newest).not.toBe(former);
      expect((await confirm(links[use], alice.password)).data?.confirmEmail?.emailConfirmed).toBe(true);
      for (const token of Object.values(links)) expect((await confirm(token)).code).toBe('INVALID_TOKEN');
    }
  });

  it('gets no new link once it is confirmed', async () => {
    const alice = await gateway.aSubject();
    await gateway.confirm(alice);
    const before = (await gateway.mailbox.to(alice.email)).length;
    await resend(alice.email);
    // The same worker has done this later job, so it has passed over the earlier one.
    await gateway.mailbox.token((await gateway.aSubject()).email, 'confirm-email');
    expect((await gateway.mailbox.to(alice.email)).length).toBe(before);
  });

  it('cannot confirm with a token that is expired, altered or made for another purpose', async () => {
    const alice = await gateway.aSubject();
    const token = await gateway.mailbox.token(alice.email, 'confirm-email');
    expect((await confirm(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`)).code).toBe(
      'INVALID_TOKEN',
    );
    await gateway.database.query(`update one_time_token set purpose = 'RESET_PASSWORD' where user_id = $1`, [
      alice.id,
    ]);
    expect((await confirm(token)).code).toBe('INVALID_TOKEN');
    await gateway.database.query(
      `update one_time_token set purpose = 'CONFIRM_EMAIL', expires_at = now() where user_id = $1`,
      [alice.id],
    );
    expect((await confirm(token)).code).toBe('INVALID_TOKEN');
    expect(
      (await gateway.database.query('select email_confirmed_at from users where id = $1', [alice.id]))[0],
    ).toEqual({
      email_confirmed_at: null,
    });
  });
});

describe('resendEmailConfirmation', () => {
  it('answers the same for an address without an account, and sends no mail', async () => {
    const known = await gateway.aSubject();
    const [one, two] = [await resend(known.email), await resend('nobody-at-all@example.test')];
    expect(two.text).toBe(one.text);
    await gateway.mailbox.token((await gateway.aSubject()).email, 'confirm-email');
    expect(await gateway.mailbox.to('nobody-at-all@example.test')).toEqual([]);
  });

  it('stores no readable e-mail address', async () => {
    await resend('very-secret-person@example.test');
    const rows = await gateway.database.query('select * from mail_job, one_time_token');
    expect(JSON.stringify(rows)).not.toContain('very-secret-person');
  });
});

describe('with EMAIL_CONFIRMATION=required', () => {
  const register = (email: string, username = unique()) =>
    strict.client.execute(RegisterDocument, { input: { username, email, password: PASSWORD } });
  const login = (identifier: string, password = PASSWORD) =>
    Object.assign(new Subject(strict.client, '', identifier, '', password)).login();
  const profile = async (username: string) =>
    (await strict.client.execute(PublicProfileDocument, { username })).data?.publicProfile;

  it('answers a registration of a free and of a taken address alike, and mails a link only for the free one', async () => {
    const owner = await strict.confirm(await strict.aSubject());
    const free = `${unique()}@example.test`;
    const [forFree, forTaken] = [await register(free), await register(owner.email)];
    const shape = (data: object | undefined) =>
      Object.fromEntries(
        Object.entries(data ?? {}).map(([key, value]) => [
          key,
          ['id', 'username', 'email', 'createdAt'].includes(key) ? typeof value : value,
        ]),
      );
    expect(shape(forTaken.data?.register)).toEqual(shape(forFree.data?.register));
    expect(forFree.data?.register).toMatchObject({
      emailConfirmed: false,
      hasPassword: true,
      isActive: true,
    });

    await strict.mailbox.token(free, 'confirm-email');
    const notice = await strict.mailbox.expect(owner.email, /has an account already/);
    expect(notice.text).not.toContain('#token=');
  });

  it('creates the account, complete, only when the link is used', async () => {
    const [email, username] = [`${unique()}@example.test`, unique()];
    const { data } = await register(email, username);
    expect(await profile(username)).toBeNull();
    for (const identifier of [username, email]) {
      expect((await login(identifier)).code).toBe('EMAIL_NOT_CONFIRMED');
      expect((await login(identifier, 'another velvet anchor')).code).toBe('INVALID_CREDENTIALS');
    }
    const confirmed = await confirm(await strict.mailbox.token(email, 'confirm-email'), PASSWORD, strict);
    expect(confirmed.data?.confirmEmail).toMatchObject({
      id: data?.register.id,
      emailConfirmed: true,
      username,
    });
    expect((await login(email)).data?.login).toHaveProperty('accessToken');
    expect(await profile(username)).toMatchObject({ username });
  });

  it('answers the login after a registration of a taken address with EMAIL_NOT_CONFIRMED, as for a free one', async () => {
    const owner = await strict.confirm(await strict.aSubject());
    const username = unique();
    await register(owner.email, username);
    for (const identifier of [username, owner.email]) {
      expect((await login(identifier)).code).toBe('EMAIL_NOT_CONFIRMED');
    }
    expect((await login(owner.email, owner.password)).data?.login).toHaveProperty('accessToken');
  });

  it('reserves the username of a pending registration against registrations and renamings', async () => {
    const username = unique();
    await register(`${unique()}@example.test`, username);
    expect((await register(`${unique()}@example.test`, username.toUpperCase())).code).toBe('CONFLICT');
    const raced = await race(10, () => register(`${unique()}@example.test`, 'raced-for-name'));
    expect(raced.filter(({ data }) => data).length).toBe(1);
    expect(new Set(raced.filter(({ data }) => !data).map(({ code }) => code))).toEqual(new Set(['CONFLICT']));
  });

  it('frees the username when the pending registration expires', async () => {
    const username = unique();
    await register(`${unique()}@example.test`, username);
    await strict.database.query(
      `update pending_registration set expires_at = now() - interval '1 second' where username = $1`,
      [username],
    );
    expect((await login(username)).code).toBe('INVALID_CREDENTIALS');
    expect((await register(`${unique()}@example.test`, username)).errors).toEqual([]);
  });

  it('gives an address that two people registered to the first who confirms', async () => {
    const email = `${unique()}@example.test`;
    const [one, two] = [unique(), unique()];
    await register(email, one);
    const first = await strict.mailbox.token(email, 'confirm-email');
    await register(email, two);
    const [newest] = await eventually(
      () => strict.mailbox.to(email),
      (mails) => mails.length === 2,
    );
    if (!newest) throw new Error('no mail');
    const replies = await Promise.all(
      [first, tokenOf(newest)].map((token) => confirm(token, PASSWORD, strict)),
    );
    expect(replies.filter(({ data }) => data).length).toBe(1);
    expect(replies.find(({ data }) => !data)?.code).toBe('INVALID_TOKEN');
  });

  it('asks an account that registered before the setting to confirm too', async () => {
    const early = await gateway.aSubject();
    expect((await login(early.username, early.password)).code).toBe('EMAIL_NOT_CONFIRMED');
    await gateway.confirm(early);
    expect((await login(early.username, early.password)).data?.login).toHaveProperty('accessToken');
  });

  it('takes as long for the right password of a deactivated account as for a wrong one', async () => {
    const costly = await gateway.another({ EMAIL_CONFIRMATION: 'required', PASSWORD_BCRYPT_COST: '9' });
    const alice = await gateway.aSubject();
    await gateway.database.query(`update users set email_confirmed_at = now() where id = $1`, [alice.id]);
    // The first login upgrades the hash to the cost that is measured.
    await alice.signedIn({ client: costly.client });
    await gateway.database.query(`update users set deactivated_by = 'OWNER' where id = $1`, [alice.id]);
    const took = async (password: string) => {
      const start = performance.now();
      expect((await alice.login({ client: costly.client, password })).code).toBe('INVALID_CREDENTIALS');
      return performance.now() - start;
    };
    const [right, wrong]: [number[], number[]] = [[], []];
    for (let sample = 0; sample < 15; sample++) {
      right.push(await took(alice.password));
      wrong.push(await took('not my velvet anchor'));
    }
    await costly.close();
    const median = (samples: number[]) => samples.sort((a, b) => a - b)[7] ?? 0;
    // A login with one hash instead of two would take about half as long.
    expect(median(right) / median(wrong)).toBeGreaterThan(0.75);
  });
});
