/** @topology one: counts what one process hashes at once */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { RequestOptions } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  ChangePasswordDocument,
  LoginDocument,
  RecoverAccountDocument,
  ResetPasswordDocument,
} from '../support/generated/operations.ts';
import { eventually } from '../support/race.ts';

let gateway: TestGateway;
beforeAll(async () => {
  // The hash cost of production, and the default limits.
  gateway = await TestGateway.start({
    PASSWORD_BCRYPT_COST: '12',
    RATE_LIMIT: 'on',
    TRUSTED_PROXIES: '127.0.0.0/8',
  });
});
afterAll(() => gateway.close());

const from = (address: string): RequestOptions => ({ headers: { 'x-forwarded-for': address } });

/** Strangers sign in to accounts that do not exist: forty a second, each from its own network. */
class Flood {
  readonly codes: unknown[] = [];
  readonly retryAfter: number[] = [];
  private readonly logins: Promise<void>[] = [];
  private readonly timer = setInterval(() => this.logins.push(this.login(this.logins.length)), 25);

  async end(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.logins);
  }

  private async login(stranger: number): Promise<void> {
    const input = { identifier: `nobody-${stranger}`, password: 'a wrong password' };
    const address = `10.0.${stranger >> 8}.${stranger & 255}`;
    const { code, headers } = await gateway.client.execute(LoginDocument, { input }, from(address));
    this.codes.push(code);
    if (code === 'SERVICE_UNAVAILABLE') this.retryAfter.push(Number(headers.get('retry-after')));
  }
}

it('known devices, signed-in callers and holders of a mailed link are served while strangers are refused', async () => {
  const [alice, bob] = [await gateway.aSubject(), await gateway.aSubject()];
  const browser = gateway.browser();
  const { accessToken: bearer } = await alice.signedIn({ client: browser });
  await gateway.client.execute(RecoverAccountDocument, { email: bob.email });
  const token = await gateway.mailbox.token(bob.email, 'reset-password');
  const newPassword = 'copper lantern drifting';

  const flood = new Flood();
  try {
    const isFull = (refused: number) => refused > 0;
    await eventually(async () => flood.retryAfter.length, isFull, { withinMilliseconds: 60_000 });
    const codes: unknown[] = [];
    for (let n = 0; n < 4; n += 1) codes.push((await alice.login({ client: browser })).code);
    codes.push((await gateway.client.execute(ResetPasswordDocument, { token, newPassword })).code);
    const passwords = { currentPassword: alice.password, newPassword };
    codes.push((await gateway.client.execute(ChangePasswordDocument, passwords, { bearer })).code);
    expect(codes).toEqual(Array(6).fill(undefined));
  } finally {
    await flood.end();
  }
  // Strangers are told when to retry, and some of them are served too.
  expect(flood.retryAfter.length).toBeGreaterThan(flood.codes.length / 4);
  expect(Math.min(...flood.retryAfter)).toBeGreaterThanOrEqual(1);
  expect(flood.codes).toContain('INVALID_CREDENTIALS');
}, 180_000);
