import { createHash, timingSafeEqual } from 'node:crypto';
import type { TokenPayload } from 'google-auth-library';
import type { Clock } from '../platform/clock.ts';
import { InvalidCredentials } from '../platform/errors.ts';
import type { GoogleClaims } from './google-claims.ts';
import type { GoogleIssuer } from './google-issuer.ts';
import { googleRefused } from './provider.ts';

/** Bytes. Tokens of Google have about 1 kB. */
const MAX_LENGTH = 8_192;
/**
 * Seconds by which Google's clock may be ahead of ours. Expiry needs no slack, because a client uses a token right
 * after it was issued.
 */
const CLOCK_SLACK = 30;
/** In characters (OpenID Connect Core section 2). */
const MAX_SUBJECT = 255;

/** The context that a token must match. */
export interface TokenExpectations {
  /** Client ids for which the token may have been issued. */
  readonly clientIds: readonly string[];
  /** The access token that the token endpoint returned with the ID token. */
  readonly accessToken?: string | null;
}

export interface VerifiedIdToken {
  readonly claims: GoogleClaims;
  readonly nonce: string;
}

/**
 * Verifies ID tokens (OpenID Connect Core section 3.1.3.7). Google's library checks signature, issuer, audience and,
 * leniently, the lifetime. This class checks the rest: algorithm, authorized party, nonce, at_hash and the exact
 * lifetime.
 */
export class IdTokens {
  constructor(
    private readonly issuer: GoogleIssuer,
    private readonly clock: Clock,
  ) {}

  /**
   * Verifies an ID token.
   * @throws {InvalidCredentials} anything is wrong with the token.
   * @throws {ServiceUnavailable} the keys of the issuer are not cached and cannot be fetched now.
   */
  async verify(
    token: string,
    { clientIds, accessToken = null }: TokenExpectations,
    signal: AbortSignal,
  ): Promise<VerifiedIdToken> {
    const keyId = readKeyId(token);
    const issuers = await this.issuer.issuers(signal);
    const key = await this.issuer.key(keyId, signal);
    if (key === undefined) throw refused('unknown key');
    const payload = await verifySigned(token, { [keyId]: key }, [...clientIds], [...issuers]);

    this.checkLife(payload);
    const { azp, nonce, at_hash: atHash } = payload;
    if (azp !== undefined && !clientIds.includes(azp)) throw refused('authorized party');
    if (typeof nonce !== 'string' || nonce === '') throw refused('no nonce');
    if (accessToken !== null && atHash !== undefined && !isHashOf(atHash, accessToken))
      throw refused('at_hash');
    if (typeof payload.sub !== 'string' || payload.sub === '' || payload.sub.length > MAX_SUBJECT) {
      throw refused('subject');
    }
    return { claims: claimsOf(payload, issuers[0]), nonce };
  }

  private checkLife({ exp, iat }: TokenPayload): void {
    const now = this.clock.now() / 1000;
    if (now >= exp) throw refused('expired');
    if (iat > now + CLOCK_SLACK) throw refused('issued in the future');
  }
}

function readKeyId(token: string): string {
  if (token.length > MAX_LENGTH || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
    throw refused('not a signed token');
  let header: { alg?: unknown; kid?: unknown };
  try {
    header = JSON.parse(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString('utf8'));
  } catch {
    throw refused('header');
  }
  // The library uses the algorithm of the key. RFC 8725 section 3.1 demands that the token names an algorithm which is
  // allowed.
  if (header?.alg !== 'RS256') throw refused('algorithm');
  if (typeof header.kid !== 'string') throw refused('no key id');
  return header.kid;
}

async function verifySigned(
  token: string,
  keys: Record<string, string>,
  clientIds: string[],
  issuers: string[],
): Promise<TokenPayload> {
  const { OAuth2Client } = await import('google-auth-library');
  let payload: TokenPayload | undefined;
  try {
    const ticket = await new OAuth2Client().verifySignedJwtWithCertsAsync(token, keys, clientIds, issuers);
    payload = ticket.getPayload();
  } catch {
    // The messages of the library quote the token.
    throw refused('signature, life, issuer or audience');
  }
  if (!payload) throw refused('empty');
  return payload;
}

/** Compares with the left half of the SHA-256 of the access token (OpenID Connect Core section 3.1.3.6). */
function isHashOf(claimed: unknown, accessToken: string): boolean {
  const expected = createHash('sha256').update(accessToken, 'ascii').digest().subarray(0, 16);
  const given = Buffer.from(String(claimed), 'base64url');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function claimsOf(payload: TokenPayload, issuer: string): GoogleClaims {
  const { sub, email, email_verified: emailVerified, hd } = payload;
  return {
    issuer,
    subject: sub,
    email: typeof email === 'string' ? email : null,
    emailVerified: emailVerified === true,
    hostedDomain: typeof hd === 'string' && hd !== '' ? hd : null,
  };
}

const refused = (reason: string): InvalidCredentials => googleRefused(`ID token refused: ${reason}`);
