import type { EntityManager } from '@mikro-orm/postgresql';
import type { Caller, PresentedCredentials } from '../platform/request/index.ts';
import type { AccessTokens } from './access-token.ts';
import type { KeyBinding } from './dpop/key-binding.ts';
import type { GenerationSightings } from './generation-sightings.ts';
import type { RevocationCache } from './revocation-cache.ts';
import type { TokenCookies } from './token-cookies.ts';

/** The parts that `CallerVerification` uses. */
export interface CallerVerificationDependencies {
  readonly cookies: TokenCookies;
  readonly accessTokens: AccessTokens;
  readonly revocationCache: RevocationCache;
  readonly keyBinding: KeyBinding;
  readonly sightings: GenerationSightings;
}

/**
 * Identifies the caller of a request. Every entry point of the gateway uses it. Only GraphQL lets in callers that must
 * still enrol a second factor.
 */
export class CallerVerification {
  constructor(private readonly deps: CallerVerificationDependencies) {}

  /**
   * @param em for the rare case that revocations must be read from the database
   * @returns null without a token that is valid now: an invalid token makes the request anonymous.
   * @throws {ServiceUnavailable} when the gateway cannot tell whether the session has ended.
   * @throws {InvalidDpopProof} when the request does not prove the key that the token is bound to.
   */
  async verify(credentials: PresentedCredentials, em: () => EntityManager): Promise<Caller | null> {
    const caller = await this.identify(credentials, em);
    return caller?.enrolmentRequired ? null : caller;
  }

  /**
   * Like `verify`, but also returns callers whose session can only enrol a second factor. Check `enrolmentRequired`.
   */
  async identify(credentials: PresentedCredentials, em: () => EntityManager): Promise<Caller | null> {
    const token = this.deps.cookies.accessToken(credentials);
    const caller = token === undefined ? null : await this.deps.accessTokens.verify(token);
    if (token === undefined || !caller || (await this.deps.revocationCache.isVoid(caller, em))) return null;
    this.deps.keyBinding.requireKeyOf(caller, token, credentials);
    // After the check of the key: a token that was stolen without its key does not count as used.
    this.deps.sightings.note(caller);
    return caller;
  }
}
