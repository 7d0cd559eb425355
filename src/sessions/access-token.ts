import { randomUUID } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Clock } from '../platform/clock.ts';
import { isId } from '../platform/id.ts';
import type { Caller } from '../platform/request/index.ts';
import type { SecondFactorRequirement } from './second-factor-requirement.ts';
import type { SessionRecord } from './session-store.ts';
import type { SigningKeys } from './signing-keys.ts';
import type { Subject } from './subject.ts';

/** Media type of an access token (RFC 9068 section 2.1). No other kind of token is accepted as an access token. */
export const ACCESS_TOKEN_TYPE = 'at+jwt';
/** Characters. A token with twenty roles has about 1,200, so a longer text is not a token of this gateway. */
const MAX_LENGTH = 4_096;
/** Tokens whose signature was verified and need not be verified again. They take about 5 MB. */
const MAX_REMEMBERED = 5_000;
/** Seconds by which the clocks of two processes may differ. */
export const CLOCK_TOLERANCE = 30;

export interface AccessTokenOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Audience of tokens that can only enrol a second factor. No service behind the gateway accepts it. */
  readonly enrolAudience: string;
  /** Life of a token in seconds; it never outlives its session. */
  readonly ttlSeconds: number;
}

/** A token that this gateway signed for this audience. It may be expired or revoked. */
interface GenuineToken {
  /** Seconds since the epoch, like `expiresAt`. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly caller: Caller;
}

/** JWT access tokens (RFC 9068), signed by the gateway's own keys, each pinned to its own algorithm (RFC 8725). */
export class AccessTokens {
  /** In the order of verification, the oldest first. */
  private readonly verified = new Map<string, GenuineToken>();

  constructor(
    private readonly keys: SigningKeys,
    private readonly clock: Clock,
    private readonly requirement: SecondFactorRequirement,
    private readonly options: AccessTokenOptions,
  ) {}

  /**
   * Issues an access token. While a session must still enrol a second factor, its tokens have no roles and the
   * enrolment audience.
   */
  async issue(session: SessionRecord, subject: Subject): Promise<{ token: string; expiresIn: number }> {
    const key = this.keys.current();
    const now = this.now();
    const { audience, roles } = this.requirement.mustEnrol(subject)
      ? { audience: this.options.enrolAudience, roles: [] }
      : { audience: this.options.audience, roles: subject.roles };
    const expiresAt = Math.min(now + this.options.ttlSeconds, seconds(session.expiresAt));
    const token = await new SignJWT({
      sid: session.id,
      gen: session.generation,
      roles: [...roles],
      amr: [...session.amr],
      aal: session.aal,
      auth_time: seconds(session.authenticatedAt),
      epoch: subject.epoch,
      ...(subject.kyc !== null && { kyc: subject.kyc }),
      ...(session.jkt !== null && { cnf: { jkt: session.jkt } }),
    })
      .setProtectedHeader({ typ: ACCESS_TOKEN_TYPE, alg: key.algorithm, kid: key.kid })
      .setIssuer(this.options.issuer)
      .setAudience(audience)
      .setSubject(subject.userId)
      .setIssuedAt(now)
      .setExpirationTime(expiresAt)
      .setJti(randomUUID())
      .sign(key.privateKey);
    return { token, expiresIn: Math.max(0, expiresAt - now) };
  }

  /** @returns null for every token that is not valid now, whatever the reason. */
  async verify(token: string): Promise<Caller | null> {
    const genuine = await this.genuine(token);
    return genuine && this.isTimely(genuine) ? genuine.caller : null;
  }

  /** For logout, which also ends the session of an expired token. Checks everything but the time. */
  async verifyIgnoringExpiry(token: string): Promise<Caller | null> {
    return (await this.genuine(token))?.caller ?? null;
  }

  /**
   * Returns the part of a token that does not depend on the time, from memory when it was verified before. A client
   * sends the same token with every request, and the signature is the most expensive check of a request. The key is
   * looked up each time, so a token becomes void together with its key.
   */
  private async genuine(token: string): Promise<GenuineToken | null> {
    const known = this.verified.get(token);
    if (known) return this.keys.find(known.caller.keyId) ? known : null;
    const genuine = await this.check(token);
    if (genuine) this.remember(token, genuine);
    return genuine;
  }

  private remember(token: string, genuine: GenuineToken): void {
    this.verified.set(token, genuine);
    if (this.verified.size <= MAX_REMEMBERED) return;
    for (const oldest of this.verified.keys()) {
      this.verified.delete(oldest);
      return;
    }
  }

  private isTimely({ issuedAt, expiresAt }: GenuineToken): boolean {
    const now = this.now();
    if (expiresAt <= now || issuedAt > now + CLOCK_TOLERANCE) return false;
    // Uses the life that is configured now, not the life at issue: revocations are remembered no longer than this.
    return issuedAt + this.options.ttlSeconds > now - CLOCK_TOLERANCE;
  }

  private async check(token: string): Promise<GenuineToken | null> {
    if (token.length > MAX_LENGTH || !hasCanonicalForm(token)) return null;
    try {
      const { typ, alg, kid, ...others } = decodeProtectedHeader(token);
      const key = typeof kid === 'string' ? this.keys.find(kid) : undefined;
      // Exactly the header that this gateway writes: no extension, no other spelling of the type.
      if (!key || typ !== ACCESS_TOKEN_TYPE || alg !== key.algorithm || Object.keys(others).length > 0)
        return null;
      const { payload } = await jwtVerify(token, key.publicKey, {
        algorithms: [key.algorithm],
        typ: ACCESS_TOKEN_TYPE,
        issuer: this.options.issuer,
        audience: [this.options.audience, this.options.enrolAudience],
        requiredClaims: ['sub', 'sid', 'iat', 'exp', 'jti', 'epoch', 'auth_time'],
        // The time of issue, so that this check ignores expiry. isTimely() checks the time at every request.
        currentDate: new Date((decodeJwt(token).iat ?? 0) * 1000),
      });
      return this.read(payload, key.kid);
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof RangeError)
        return null;
      throw error;
    }
  }

  private read(payload: JWTPayload, keyId: string): GenuineToken | null {
    const genuine = genuineToken(payload, keyId);
    if (!genuine) return null;
    const { caller } = genuine;
    const enrolmentRequired =
      payload.aud === this.options.enrolAudience ||
      (caller.aal < 2 && this.requirement.coversRoles(caller.roles));
    return enrolmentRequired ? { ...genuine, caller: { ...caller, roles: [], enrolmentRequired } } : genuine;
  }

  private now(): number {
    return Math.floor(this.clock.now() / 1000);
  }
}

/**
 * Whether the token has the only text form that jose writes. jose also accepts spaces, padding and unused bits in the
 * last character, so one token could have several texts. The signature covers header and payload as text already.
 */
function hasCanonicalForm(token: string): boolean {
  const signature = /^[\w-]+\.[\w-]+\.([\w-]+)$/.exec(token)?.[1];
  return signature !== undefined && Buffer.from(signature, 'base64url').toString('base64url') === signature;
}

/**
 * Reads the claims. The signature is ours, so the types hold, except in tokens of an older release with other claims:
 * those are refused.
 */
function genuineToken(payload: JWTPayload, keyId: string): GenuineToken | null {
  const { sub, sid, gen, epoch, roles, amr, aal, auth_time: authenticatedAt, aud, iat, exp, cnf } = payload;
  if (
    typeof aud !== 'string' ||
    typeof sub !== 'string' ||
    !isId(sub) ||
    typeof sid !== 'string' ||
    !isId(sid)
  ) {
    return null;
  }
  if (typeof epoch !== 'number' || typeof aal !== 'number' || typeof authenticatedAt !== 'number')
    return null;
  if (!isTexts(roles) || !isTexts(amr)) return null;
  // Absent from a token of an earlier release.
  if (gen !== undefined && typeof gen !== 'number') return null;
  const jkt = cnf === undefined ? undefined : (cnf as { jkt?: unknown }).jkt;
  if (cnf !== undefined && typeof jkt !== 'string') return null;
  if (iat === undefined || !Number.isSafeInteger(exp)) return null;
  const caller = {
    userId: sub,
    sessionId: sid,
    generation: gen ?? null,
    ...(typeof jkt === 'string' && { jkt }),
    keyId,
    epoch,
    roles,
    amr,
    aal,
    authenticatedAt,
    enrolmentRequired: false,
  };
  return { issuedAt: iat, expiresAt: Number(exp), caller };
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
