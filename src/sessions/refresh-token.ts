import { idFromBytes, idToBytes } from '../platform/id.ts';
import { findKey, type Keyring, mac, macMatches } from '../platform/keyring.ts';

/** What a refresh token says once its authenticity is known. */
export interface RefreshTokenClaims {
  userId: string;
  sessionId: string;
  /** Counts the rotations of the session, from 0. */
  generation: number;
}

const VERSION = 1;
const LABEL = 'refresh';
const KEY_ID_BYTES = 4;
const UUID_BYTES = 16;
const MAC_BYTES = 32;
const USER_AT = 1 + KEY_ID_BYTES;
const SESSION_AT = USER_AT + UUID_BYTES;
const GENERATION_AT = SESSION_AT + UUID_BYTES;
const MAC_AT = GENERATION_AT + 4;
const TOKEN_BYTES = MAC_AT + MAC_BYTES;
const TOKEN_CHARACTERS = Math.ceil((TOKEN_BYTES * 4) / 3);

/**
 * Refresh tokens: version, key id, user id, session id, generation (uint32) and an HMAC-SHA-256 over all of it,
 * base64url. The database keeps only the current generation, so whoever steals it holds no token, and a forged
 * token is refused before any input or output.
 */
export class RefreshTokens {
  constructor(private readonly keyring: Keyring) {}

  issue({ userId, sessionId, generation }: RefreshTokenClaims): string {
    const [key] = this.keyring;
    const body = Buffer.alloc(MAC_AT);
    body.writeUInt8(VERSION, 0);
    Buffer.from(key.id, 'hex').copy(body, 1);
    idToBytes(userId).copy(body, USER_AT);
    idToBytes(sessionId).copy(body, SESSION_AT);
    body.writeUInt32BE(generation, GENERATION_AT);
    return Buffer.concat([body, mac(key, LABEL, body)]).toString('base64url');
  }

  /** @returns null for anything that this gateway did not make, in the one text form that it makes. */
  read(token: string): RefreshTokenClaims | null {
    if (!hasRefreshTokenForm(token)) return null;
    const bytes = Buffer.from(token, 'base64url');
    // base64url leaves bits of the last character unused: only one of the spellings is ours.
    if (bytes.length !== TOKEN_BYTES || bytes.toString('base64url') !== token || bytes[0] !== VERSION)
      return null;
    const key = findKey(this.keyring, bytes.subarray(1, USER_AT).toString('hex'));
    const body = bytes.subarray(0, MAC_AT);
    if (!key || !macMatches(key, LABEL, body, bytes.subarray(MAC_AT))) return null;
    return {
      userId: idFromBytes(bytes.subarray(USER_AT, SESSION_AT)),
      sessionId: idFromBytes(bytes.subarray(SESSION_AT, GENERATION_AT)),
      generation: bytes.readUInt32BE(GENERATION_AT),
    };
  }
}

/** Tells a refresh token from an access token (which has dots) by its form alone. */
export function hasRefreshTokenForm(token: string): boolean {
  return token.length === TOKEN_CHARACTERS && /^[A-Za-z0-9_-]+$/.test(token);
}
