import { randomUUID } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import type { Clock } from '../platform/clock.ts';
import { NotFound, Unauthenticated } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { Caller } from '../platform/request/index.ts';
import { ACCESS_TOKEN_TYPE } from './access-token.ts';
import type { SigningKeys } from './signing-keys.ts';

/** Each token costs a signature. */
export const SERVICE_TOKEN_RULES = {
  'serviceToken.session': { burst: 120, perSeconds: 60, counts: 'session, for each `accessTokenFor`' },
} as const;

export interface ServiceTokenOptions {
  readonly issuer: string;
  /** The services for which a token can be requested. Empty: none. */
  readonly serviceAudiences: readonly string[];
  /** Life of a token in seconds. A token never outlives the access token of the request. */
  readonly serviceTtlSeconds: number;
}

/** An access token that only one service accepts. Other services and the gateway refuse it. */
export interface ServiceToken {
  readonly token: string;
  /** Seconds until the token expires. */
  readonly expiresIn: number;
}

/**
 * Narrows an access token down to one service (RFC 8707, RFC 9700 section 2.3). A service that is compromised, or that
 * logs its tokens, then holds nothing that works elsewhere.
 */
export class ServiceTokens {
  constructor(
    private readonly keys: SigningKeys,
    private readonly clock: Clock,
    private readonly rateLimiter: RateLimiter<keyof typeof SERVICE_TOKEN_RULES>,
    private readonly options: ServiceTokenOptions,
  ) {}

  /**
   * Issues a token with the user, strength and authentication time of the presented token: a token from before a
   * step-up gains nothing here.
   * @param presented the access token that `caller` was verified by
   * @throws {NotFound} when JWT_SERVICE_AUDIENCES names no service.
   * @throws {BadUserInput} when it does not name this service.
   * @throws {RateLimited} when this session asks too often.
   */
  async issue(caller: Caller, presented: string, audience: string): Promise<ServiceToken> {
    const { issuer, serviceAudiences, serviceTtlSeconds } = this.options;
    if (serviceAudiences.length === 0) throw new NotFound('Tokens for single services are not set up here.');
    readFields('', { audience: () => requireKnown(audience, serviceAudiences) });
    await this.rateLimiter.charge(['serviceToken.session', caller.sessionId]);

    const { exp = 0, kyc } = decodeJwt(presented);
    const now = Math.floor(this.clock.now() / 1000);
    const expiresAt = Math.min(now + serviceTtlSeconds, exp);
    if (expiresAt <= now) throw new Unauthenticated('the access token has just expired');
    const key = this.keys.current();
    const token = await new SignJWT({
      sid: caller.sessionId,
      roles: [...caller.roles],
      amr: [...caller.amr],
      aal: caller.aal,
      auth_time: caller.authenticatedAt,
      epoch: caller.epoch,
      ...(kyc !== undefined && { kyc }),
      ...(caller.jkt !== undefined && { cnf: { jkt: caller.jkt } }),
    })
      .setProtectedHeader({ typ: ACCESS_TOKEN_TYPE, alg: key.algorithm, kid: key.kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(caller.userId)
      .setIssuedAt(now)
      .setExpirationTime(expiresAt)
      .setJti(randomUUID())
      .sign(key.privateKey);
    return { token, expiresIn: expiresAt - now };
  }
}

function requireKnown(audience: string, known: readonly string[]): void {
  if (!known.includes(audience)) {
    throw new InvalidValue(
      'Not a service of this gateway. The operator names them in JWT_SERVICE_AUDIENCES.',
    );
  }
}
