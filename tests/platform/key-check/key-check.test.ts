/** @topology one: is about starts, not about requests */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newSecrets, TestGateway } from '../../support/gateway.ts';

const first = newSecrets();
const other = newSecrets();
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(first);
});
afterAll(() => gateway.close());

describe('a start on a database that was written with other keys', () => {
  it.each(['TOKEN_KEY', 'ENCRYPTION_KEY', 'PASSWORD_PEPPER'] as const)(
    'stops and names %s',
    async (setting) => {
      await expect(gateway.another({ [setting]: other[setting] })).rejects.toThrow(
        `${setting} holds none of the keys that this database was written with`,
      );
    },
  );

  it('succeeds with a new key in front of the old one', async () => {
    const alice = await gateway.aSubject();
    const { refreshToken, accessToken } = await alice.signedIn();
    const lists = Object.entries(first).map(([name, old]) => [name, `${other[name]},${old}`]);
    const rotated = await gateway.another(Object.fromEntries(lists));
    try {
      expect((await alice.me(accessToken, rotated.client)).errors).toEqual([]);
      expect((await alice.refresh(refreshToken, rotated.client)).errors).toEqual([]);
      expect((await alice.login({ client: rotated.client })).errors).toEqual([]);
    } finally {
      await rotated.close();
    }
  });

  it('succeeds without the old keys once the new ones have their own check value and signing keys were sealed anew', async () => {
    const alone = await gateway.another({ ...other });
    await alone.close();
  });

  it('stops without the key that sealed a signing key, and without a pepper that a password still needs', async () => {
    await expect(gateway.another({ PASSWORD_PEPPER: other.PASSWORD_PEPPER })).rejects.toThrow(
      'ENCRYPTION_KEY lacks the key',
    );
    await gateway.aSubject();
    await expect(gateway.another({ ...other })).rejects.toThrow('PASSWORD_PEPPER lacks the key');
  });
});
