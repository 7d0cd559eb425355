import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TestGateway } from './gateway.ts';
import { enrol } from './second-factor.ts';
import type { Subject } from './subject.ts';

let gateway: TestGateway;
let alice: Subject;
beforeAll(async () => {
  gateway = await TestGateway.start();
  alice = await gateway.aSubject({ password: 'a "marked" password' });
});
afterAll(() => gateway.close());

it.each<[string, () => Promise<string | undefined>]>([
  ['a password that was sent', async () => alice.password],
  ['a token that was answered', async () => (await alice.signedIn()).refreshToken],
  ['the secret of a second factor', async () => (await enrol(gateway, await gateway.aSubject())).secret],
  ['a recovery code', async () => (await enrol(gateway, await gateway.aSubject())).recoveryCodes[3]],
  ['a token that was mailed', () => gateway.mailbox.token(alice.email, 'confirm-email')],
  [
    'a cookie',
    async () => {
      const browser = gateway.browser();
      await alice.login({ client: browser });
      return browser.cookies.get('gatehouse_device');
    },
  ],
])('a gateway that logged %s fails its test', async (_, secret) => {
  const leaking = await gateway.another();
  (leaking.logLines as string[]).push(JSON.stringify({ msg: `it is ${await secret()}.` }));
  await expect(leaking.close()).rejects.toThrow(/the log holds a secret/);
});
