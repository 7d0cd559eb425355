import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { newId } from '../../src/platform/id.ts';
import { keyFromBytes } from '../../src/platform/keyring.ts';
import { hasRefreshTokenForm, RefreshTokens } from '../../src/sessions/refresh-token.ts';

const oldKey = keyFromBytes(randomBytes(32));
const newKey = keyFromBytes(randomBytes(32));
const claims = { userId: newId(), sessionId: newId(), generation: 4_294_967_295 };
const tokens = new RefreshTokens([oldKey]);

describe('a refresh token', () => {
  it('contains what it was issued for', () => {
    expect(tokens.read(tokens.issue(claims))).toEqual(claims);
  });

  it('is the same for the same generation, so that parallel callers get the same one', () => {
    expect(tokens.issue(claims)).toBe(tokens.issue(claims));
  });

  it('is read with every key of the list, and written with the first', () => {
    const rotated = new RefreshTokens([newKey, oldKey]);
    expect(rotated.read(tokens.issue(claims))).toEqual(claims);
    expect(tokens.read(rotated.issue(claims))).toBeNull();
  });

  it('is refused with another key', () => {
    expect(new RefreshTokens([newKey]).read(tokens.issue(claims))).toBeNull();
  });

  it('is refused when any of its bytes was altered', () => {
    const bytes = Buffer.from(tokens.issue(claims), 'base64url');
    for (let index = 0; index < bytes.length; index++) {
      const altered = Buffer.from(bytes);
      altered.writeUInt8(altered.readUInt8(index) ^ 1, index);
      expect(tokens.read(altered.toString('base64url'))).toBeNull();
    }
  });

  it('has one spelling: unused bits, padding and spaces are refused', () => {
    const token = tokens.issue(claims);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(token.slice(-1));
    const sameBytes = token.slice(0, -1) + alphabet[last ^ 1];
    expect(Buffer.from(sameBytes, 'base64url')).toEqual(Buffer.from(token, 'base64url'));
    for (const variant of [sameBytes, `${token}=`, `${token}==`, ` ${token}`, `${token}\n`, token.slice(1)]) {
      expect(tokens.read(variant)).toBeNull();
    }
  });

  it('differs from an access token in its form', () => {
    expect(hasRefreshTokenForm(tokens.issue(claims))).toBe(true);
    expect(hasRefreshTokenForm('eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl')).toBe(false);
  });
});
