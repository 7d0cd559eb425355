import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { keyFromBytes } from '../../src/platform/keyring.ts';
import { SecretBox } from '../../src/platform/secret-box.ts';

const oldKey = keyFromBytes(randomBytes(32));
const newKey = keyFromBytes(randomBytes(32));
const secret = Buffer.from('a secret that must be read again');

describe('the secret box', () => {
  const box = new SecretBox([oldKey]);

  it('opens what it sealed', () => {
    expect(box.open('purpose', box.seal('purpose', secret))).toEqual(secret);
  });

  it('seals the same secret differently each time', () => {
    expect(box.seal('purpose', secret)).not.toEqual(box.seal('purpose', secret));
  });

  it('opens with every key of the list, and seals with the first', () => {
    const rotated = new SecretBox([newKey, oldKey]);
    expect(rotated.open('purpose', box.seal('purpose', secret))).toEqual(secret);
    expect(() => box.open('purpose', rotated.seal('purpose', secret))).toThrow(/ENCRYPTION_KEY/);
  });

  it('refuses a secret that was sealed for another purpose', () => {
    expect(() => box.open('other', box.seal('purpose', secret))).toThrow();
  });

  it('refuses a secret that was altered or cut, at any byte', () => {
    const sealed = box.seal('purpose', secret);
    for (let index = 0; index < sealed.length; index++) {
      const altered = Buffer.from(sealed);
      altered.writeUInt8(altered.readUInt8(index) ^ 1, index);
      expect(() => box.open('purpose', altered)).toThrow();
      expect(() => box.open('purpose', sealed.subarray(0, index))).toThrow();
    }
  });
});
