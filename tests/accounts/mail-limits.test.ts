/** @topology one: counts what the mail workers of one gateway send */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RATE_LIMIT_RULES } from '../../src/modules.ts';
import type { Client } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  ChangePasswordDocument,
  RecoverAccountDocument,
  RegisterDocument,
  ResendEmailConfirmationDocument,
  ResetPasswordDocument,
  UndoEmailChangeDocument,
} from '../support/generated/operations.ts';
import { race } from '../support/race.ts';
import { hasRedis, TestRedis } from '../support/redis.ts';

/**
 * The limits of a recipient keep their defaults. The others are wide, since attackers have as many networks
 * as they like.
 */
const WIDE = Object.keys(RATE_LIMIT_RULES)
  .filter((rule) => !rule.endsWith('.recipient'))
  .map((rule) => `${rule}=9999/60`)
  .join();
const LIMITS = { RATE_LIMIT: 'on', RATE_LIMIT_RULES: WIDE };
const PASSWORD = 'copper lantern drifting';

let optional: TestGateway;
let required: TestGateway;

beforeAll(async () => {
  optional = await TestGateway.start(LIMITS);
  required = await TestGateway.start({ ...LIMITS, EMAIL_CONFIRMATION: 'required' });
});
afterAll(async () => {
  await required.close();
  await optional.close();
});

const anAddress = () => `mail-${randomBytes(6).toString('hex')}@example.test`;
const register = (client: Client, email: string) => {
  const input = { username: `name-${randomBytes(6).toString('hex')}`, email, password: PASSWORD };
  return client.execute(RegisterDocument, { input });
};
const resend = (client: Client, email: string) => client.execute(ResendEmailConfirmationDocument, { email });
const recover = (client: Client, email: string) => client.execute(RecoverAccountDocument, { email });
const mailsTo = async (gateway: TestGateway, email: string) => {
  await gateway.mailbox.settled();
  return gateway.mailbox.to(email);
};
const countTo = async (gateway: TestGateway, email: string) => (await mailsTo(gateway, email)).length;

describe('requests whose mail is not sent', () => {
  it.each([
    ['optional', () => optional],
    ['required', () => required],
  ] as const)('do not charge the owner of the address, with confirmation %s', async (_, of) => {
    const gateway = of();
    const email = anAddress();
    for (let n = 0; n < 10; n += 1) {
      expect((await resend(gateway.client, email)).data).toEqual({ resendEmailConfirmation: true });
      expect((await recover(gateway.client, email)).data).toEqual({ recoverAccount: true });
    }
    expect(await countTo(gateway, email)).toBe(0);
    expect((await register(gateway.client, email)).code).toBeUndefined();
    await gateway.mailbox.token(email, 'confirm-email');
    await resend(gateway.client, email);
    expect(await countTo(gateway, email)).toBe(2);
  });

  it('do not charge the recovery limit of a new account', async () => {
    const email = anAddress();
    for (let n = 0; n < 10; n += 1) await recover(optional.client, email);
    await register(optional.client, email);
    await recover(optional.client, email);
    await optional.mailbox.token(email, 'reset-password');
  });

  it('do not charge the address when the registration fails', async () => {
    const email = anAddress();
    const taken = await optional.aSubject();
    for (let n = 0; n < 10; n += 1) {
      const input = { username: taken.username, email, password: PASSWORD };
      expect((await optional.client.execute(RegisterDocument, { input })).code).toBe('CONFLICT');
    }
    expect((await register(optional.client, email)).code).toBeUndefined();
  });
});

describe('the limit of mails to one mailbox', () => {
  it('is five for registrations, ten for further confirmations and e-mail changes, and five for recovery', async () => {
    const victim = anAddress();
    const senders = await Promise.all(Array.from({ length: 10 }, () => optional.aSubject()));
    const bearers = await Promise.all(senders.map(async (sender) => (await sender.signedIn()).accessToken));
    const change = (index: number) =>
      optional.client.execute(
        ChangeEmailDocument,
        { newEmail: victim, password: senders[index]?.password ?? '' },
        { bearer: bearers[index] ?? '' },
      );
    const changes = await race(10, change);
    expect(changes.filter(({ code }) => code === 'RATE_LIMITED')).toHaveLength(5);
    expect(await countTo(optional, victim)).toBe(5);
    await register(optional.client, victim);
    for (let n = 0; n < 20; n += 1) await resend(optional.client, victim);
    expect(await countTo(optional, victim)).toBe(11);
    for (let n = 0; n < 20; n += 1) await recover(optional.client, victim);
    expect(await countTo(optional, victim)).toBe(16);
  });

  it.each([
    ['optional', () => optional],
    ['required', () => required],
  ] as const)(
    'allows the mail of a registration whatever strangers requested before, with confirmation %s',
    async (_, of) => {
      const gateway = of();
      const victim = anAddress();
      const tagged = (n: number) => victim.replace('@', `+${n}@`);
      await register(gateway.client, tagged(0));
      for (let n = 0; n < 5; n += 1) await resend(gateway.client, tagged(0));
      const stranger = await gateway.confirm(await gateway.aSubject());
      const { accessToken } = await stranger.signedIn();
      for (let n = 1; n <= 5; n += 1) {
        const input = { newEmail: tagged(n), password: stranger.password };
        await gateway.client.execute(ChangeEmailDocument, input, { bearer: accessToken });
      }
      expect((await register(gateway.client, victim)).code).toBeUndefined();
      expect(await countTo(gateway, victim)).toBe(1);
    },
  );

  it('allows five registrations of its address, and tells a sixth person when to retry', async () => {
    const victim = anAddress();
    const replies = await race(8, () => register(required.client, victim));
    expect(replies.filter(({ code }) => code === undefined)).toHaveLength(5);
    expect(replies.find(({ code }) => code !== undefined)).toMatchObject({
      status: 429,
      code: 'RATE_LIMITED',
    });
    expect(await countTo(required, victim)).toBe(5);
  });

  it('counts all tagged addresses of the mailbox together', async () => {
    const name = `target-${randomBytes(6).toString('hex')}`;
    const tagged = Array.from({ length: 40 }, (_, n) => `${name}+${n}@example.test`);
    for (const email of tagged) await register(optional.client, email);
    await optional.mailbox.settled();
    const mails = await Promise.all(tagged.map((email) => optional.mailbox.to(email)));
    expect(mails.flat()).toHaveLength(5);
  });

  it('also counts tagged addresses that have accounts already', async () => {
    const name = `target-${randomBytes(6).toString('hex')}`;
    const tagged = Array.from({ length: 20 }, (_, n) => `${name}+${n}@example.test`);
    await optional.database.query(
      `insert into users (id, username, username_key, email, email_key)
       select gen_random_uuid(), address, address, address, address from unnest($1::text[]) as address`,
      [tagged],
    );
    for (const email of tagged) await recover(optional.client, email);
    await optional.mailbox.settled();
    const mails = await Promise.all(tagged.map((email) => optional.mailbox.to(email)));
    expect(mails.flat()).toHaveLength(5);
  });
});

describe('a mail over the limit', () => {
  it('is answered like one that is sent, and leaves the earlier link valid', async () => {
    const alice = await optional.aSubject();
    for (let n = 0; n < 5; n += 1) await recover(optional.client, alice.email);
    const [last] = await mailsTo(optional, alice.email);
    const held = await recover(optional.client, alice.email);
    const unknown = await recover(optional.client, anAddress());
    const masked = (text: string) => text.replace(/"requestId":"[^"]*"/g, '');
    expect([held.status, masked(held.text)]).toEqual([unknown.status, masked(unknown.text)]);
    expect((await mailsTo(optional, alice.email))[0]?.id).toBe(last?.id);
    const token = await optional.mailbox.token(alice.email, 'reset-password');
    const reset = await optional.client.execute(ResetPasswordDocument, { token, newPassword: PASSWORD });
    expect(reset.data).toEqual({ resetPassword: true });
  });

  it('is never a notice to the owner: a stranger who fills the mailbox suppresses none', async () => {
    const alice = await optional.aSubject();
    for (let n = 0; n < 20; n += 1) {
      await resend(optional.client, alice.email);
      await recover(optional.client, alice.email);
    }
    const before = await countTo(optional, alice.email);
    const { accessToken: bearer } = await alice.signedIn();
    const passwords = { currentPassword: alice.password, newPassword: PASSWORD };
    await optional.client.execute(ChangePasswordDocument, passwords, { bearer });
    expect(await countTo(optional, alice.email)).toBe(before + 1);
  });

  it('is never the link after an undo, which is the only way left to sign in', async () => {
    const alice = await optional.confirm(await optional.aSubject());
    const { accessToken: bearer } = await alice.signedIn();
    const change = { newEmail: anAddress(), password: alice.password };
    await optional.client.execute(ChangeEmailDocument, change, { bearer });
    const token = await optional.mailbox.token(alice.email, 'undo-email-change');
    for (let n = 0; n < 10; n += 1) await recover(optional.client, alice.email);
    const before = await countTo(optional, alice.email);
    await optional.client.execute(UndoEmailChangeDocument, { token });
    expect(await countTo(optional, alice.email)).toBe(before + 1);
  });
});

it('does not charge the recipient for a registration that is refused, so a typing error blocks no other person', async () => {
  const codes: unknown[] = [];
  for (let n = 1; n <= 12; n += 1)
    codes.push((await register(optional.client, `${'x'.repeat(65)}${n}@example.test`)).code);
  expect(codes).toEqual(Array(12).fill('BAD_USER_INPUT'));
});

(hasRedis ? describe : describe.skip)('over two processes on one Redis', () => {
  it('sends five mails for forty recovery requests at once', async () => {
    const redis = await TestRedis.start();
    const one = await TestGateway.start({ ...LIMITS, REDIS_URL: redis.url });
    const other = await one.another();
    try {
      const alice = await one.aSubject();
      const before = await countTo(one, alice.email);
      const replies = await race(40, (index) => recover((index % 2 === 0 ? one : other).client, alice.email));
      expect(new Set(replies.map(({ code }) => code))).toEqual(new Set([undefined]));
      expect((await countTo(one, alice.email)) - before).toBe(5);
    } finally {
      await other.close();
      await one.close();
      await redis.close();
    }
  });
});
