import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TotpSecrets } from '../../../src/authenticators/index.ts';
import { derivedKeyring, type Keyring, keyFromBytes } from '../../../src/platform/keyring.ts';
import { SecretBox } from '../../../src/platform/secret-box.ts';
import { key, TestGateway } from '../../support/gateway.ts';
import { enrol } from '../../support/second-factor.ts';

const keyringOf = (...texts: string[]) =>
  texts.map((text) => keyFromBytes(Buffer.from(text, 'base64'))) as unknown as Keyring;
const [oldKey, newKey] = [key(), key()];
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ ENCRYPTION_KEY: oldKey });
});
afterAll(() => gateway.close());

describe('a TOTP secret', () => {
  it('is sealed with a key of its own, so that the key of other secrets does not open it', () => {
    const keyring = keyringOf(oldKey);
    const sealed = new TotpSecrets(keyring).seal('user', Buffer.from('secret'));
    expect(() => new SecretBox(keyring).open('totp secret of user', sealed)).toThrow();
    expect(new TotpSecrets(keyring).open('user', sealed)).toEqual(Buffer.from('secret'));
    expect(() => new TotpSecrets(keyring).open('another user', sealed)).toThrow();
    const [one, other] = ['one', 'two'].map((purpose) => derivedKeyring(keyring, purpose)[0].secret.export());
    expect(one).not.toEqual(other);
  });

  it('is sealed anew with the new key by housekeeping; before that, the gateway does not start without the old key', async () => {
    const alice = await gateway.aSubject();
    const { app } = await enrol(gateway, alice);
    await expect(gateway.another({ ENCRYPTION_KEY: newKey })).rejects.toThrow(/ENCRYPTION_KEY/);

    const rotated = await gateway.another({ ENCRYPTION_KEY: `${newKey},${oldKey}` });
    try {
      const { resealing } = new TotpSecrets(keyringOf(newKey, oldKey));
      const sweep = () => rotated.gateway.fork().transactional((tx) => resealing.sweep(tx, 10));
      expect([await sweep(), await sweep()]).toEqual([1, 0]);
    } finally {
      await rotated.close();
    }

    const moved = await gateway.another({ ENCRYPTION_KEY: newKey });
    try {
      moved.clock.advance((gateway.clock.now() - moved.clock.now()) / 1000);
      expect((await alice.login({ client: moved.client, securityCode: app.code() })).errors).toEqual([]);
    } finally {
      await moved.close();
    }
  });
});
