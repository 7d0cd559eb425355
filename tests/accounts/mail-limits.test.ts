/** @topology one: counts what one process lets through */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangeEmailDocument,
  RecoverAccountDocument,
  RegisterDocument,
  ResendEmailConfirmationDocument,
} from '../support/generated/operations.ts';

let free: TestGateway;
let limited: TestGateway;

beforeAll(async () => {
  free = await TestGateway.start();
  // Those of a recipient as they are by default.
  const others = ['resendEmailConfirmation.address', 'recoverAccount.address', 'ownerProof.address'];
  const rules = others.map((rule) => `${rule}=9999/60`).join();
  limited = await free.another({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: rules });
});
afterAll(async () => {
  await limited.close();
  await free.close();
});

it('fifty calls that mail to one address come to fifteen mails at most, five of them for recovery', async () => {
  const { client } = limited;
  const victim = await free.aSubject();
  const senders = await Promise.all(Array.from({ length: 17 }, () => free.aSubject()));
  const bearers = await Promise.all(senders.map(async (sender) => (await sender.signedIn()).accessToken));
  await free.mailbox.settled();
  const before = (await free.mailbox.to(victim.email)).length;

  const { email } = victim;
  const accepted = { resend: 0, change: 0, recover: 0 };
  for (let call = 0; call < 50; call += 1) {
    const sender = senders[Math.floor(call / 3)];
    const bearer = bearers[Math.floor(call / 3)];
    const kind = (['resend', 'change', 'recover'] as const)[call % 3] ?? 'resend';
    const { code } = await {
      resend: () => client.execute(ResendEmailConfirmationDocument, { email }),
      change: () =>
        client.execute(
          ChangeEmailDocument,
          { newEmail: email, password: sender?.password ?? '' },
          { bearer },
        ),
      recover: () => client.execute(RecoverAccountDocument, { email }),
    }[kind]();
    if (code !== 'RATE_LIMITED') accepted[kind] += 1;
  }
  expect([accepted.resend + accepted.change, accepted.recover]).toEqual([10, 5]);
  await free.mailbox.settled();
  const mails = (await free.mailbox.to(email)).length - before;
  expect(mails).toBeGreaterThan(accepted.resend);
  expect(mails).toBeLessThanOrEqual(15);
});

it('what cannot be an address is no recipient: who mistypes theirs keeps nobody from a registration', async () => {
  const codes: unknown[] = [];
  for (let n = 1; n <= 12; n += 1) {
    const email = `${'x'.repeat(65)}${n}@example.test`;
    const input = { username: `mistyped-${n}`, email, password: 'copper lantern drifting' };
    codes.push((await limited.client.execute(RegisterDocument, { input })).code);
  }
  expect(codes).toEqual(Array(12).fill('BAD_USER_INPUT'));
});
