import { idFromBytes, idToBytes } from '../platform/id.ts';
import { findKey, type Keyring, mac, macMatches } from '../platform/keyring.ts';

/** The content of an authentic refresh token. */
export interface RefreshTokenClaims {
  userId: string;
  sessionId: string;
  /** Counts the rotations of the session, from 0. */
  generation: number;
  /** Thumbprint of the key that the session is bound to. Absent or null without a key. */
  jkt?: string | null;
}

/** Format versions. The second one is for sessions that are bound to a key; the thumbprint stands before the MAC. */
const VERSION = 1;
const VERSION_WITH_KEY = 2;
const LABEL = 'refresh';
const KEY_ID_BYTES = 4;
const UUID_BYTES = 16;
const THUMBPRINT_BYTES = 32;
const MAC_BYTES = 32;
const USER_AT = 1 + KEY_ID_BYTES;
const SESSION_AT = USER_AT + UUID_BYTES;
const GENERATION_AT = SESSION_AT + UUID_BYTES;
const THUMBPRINT_AT = GENERATION_AT + 4;
/** Offset of the MAC, by version. */
const MAC_AT: Readonly<Record<number, number>> = {
  [VERSION]: THUMBPRINT_AT,
  [VERSION_WITH_KEY]: THUMBPRINT_AT + THUMBPRINT_BYTES,
};
const FORMS = Object.values(MAC_AT).map((macAt) => Math.ceil(((macAt + MAC_BYTES) * 4) / 3));

/**
 * Refresh tokens: version, key id, user id, session id, generation (uint32) and an HMAC-SHA-256 over all of it, in
 * base64url. The database holds only the current generation, so a thief of the database holds no token. A forged token
 * is refused before any I/O.
 */
export class RefreshTokens {
  constructor(private readonly keyring: Keyring) {}

  issue({ userId, sessionId, generation, jkt = null }: RefreshTokenClaims): string {
    const [key] = this.keyring;
    const head = Buffer.alloc(THUMBPRINT_AT);
    head.writeUInt8(jkt === null ? VERSION : VERSION_WITH_KEY, 0);
    Buffer.from(key.id, 'hex').copy(head, 1);
    idToBytes(userId).copy(head, USER_AT);
    idToBytes(sessionId).copy(head, SESSION_AT);
    head.writeUInt32BE(generation, GENERATION_AT);
    const body = jkt === null ? head : Buffer.concat([head, Buffer.from(jkt, 'base64url')]);
    return Buffer.concat([body, mac(key, LABEL, body)]).toString('base64url');
  }

  /** @returns null for any text that is not exactly a token of this gateway. */
  read(token: string): RefreshTokenClaims | null {
    if (!hasRefreshTokenForm(token)) return null;
    const bytes = Buffer.from(token, 'base64url');
    const macAt = MAC_AT[bytes[0] ?? 0];
    // base64url leaves bits of the last character unused. Only the spelling of this gateway is accepted.
    if (macAt === undefined || bytes.length !== macAt + MAC_BYTES || bytes.toString('base64url') !== token)
      return null;
    const key = findKey(this.keyring, bytes.subarray(1, USER_AT).toString('hex'));
    const body = bytes.subarray(0, macAt);
    if (!key || !macMatches(key, LABEL, body, bytes.subarray(macAt))) return null;
    return {
      userId: idFromBytes(bytes.subarray(USER_AT, SESSION_AT)),
      sessionId: idFromBytes(bytes.subarray(SESSION_AT, GENERATION_AT)),
      generation: bytes.readUInt32BE(GENERATION_AT),
      ...(macAt > THUMBPRINT_AT && { jkt: bytes.subarray(THUMBPRINT_AT, macAt).toString('base64url') }),
    };
  }
}

/** Distinguishes a refresh token from an access token (which has dots) by its form alone. */
export function hasRefreshTokenForm(token: string): boolean {
  return FORMS.includes(token.length) && /^[A-Za-z0-9_-]+$/.test(token);
}
