import type { EntityManager } from '@mikro-orm/postgresql';
import type { Caller, PresentedCredentials } from '../platform/request/index.ts';
import type { AccessTokens } from './access-token.ts';
import type { KeyBinding } from './dpop/key-binding.ts';
import type { GenerationSightings } from './generation-sightings.ts';
import type { RevocationCache } from './revocation-cache.ts';
import type { TokenCookies } from './token-cookies.ts';

/** What `CallerVerification` works with. */
export interface CallerVerificationDependencies {
  readonly cookies: TokenCookies;
  readonly accessTokens: AccessTokens;
  readonly revocationCache: RevocationCache;
  readonly keyBinding: KeyBinding;
  readonly sightings: GenerationSightings;
}

/** Tells who is calling. Every door of the gateway asks here; that of GraphQL alone lets in who must still enrol. */
export class CallerVerification {
  constructor(private readonly deps: CallerVerificationDependencies) {}

  /**
   * @param em for the rare case that revocations must be asked of the database
   * @returns null without a token that is good now: a bad one makes the request anonymous.
   * @throws {ServiceUnavailable} when nobody can tell whether the token's session has ended.
   * @throws {InvalidDpopProof} the token is good, and the request does not prove the key that it is bound to.
   */
  async verify(credentials: PresentedCredentials, em: () => EntityManager): Promise<Caller | null> {
    const caller = await this.identify(credentials, em);
    return caller?.enrolmentRequired ? null : caller;
  }

  /** The same, and those whose session can only enrol a second factor: look at `enrolmentRequired`. */
  async identify(credentials: PresentedCredentials, em: () => EntityManager): Promise<Caller | null> {
    const token = this.deps.cookies.accessToken(credentials);
    const caller = token === undefined ? null : await this.deps.accessTokens.verify(token);
    if (token === undefined || !caller || (await this.deps.revocationCache.isVoid(caller, em))) return null;
    this.deps.keyBinding.requireKeyOf(caller, token, credentials);
    // After it: a token that was stolen without its key is not in use.
    this.deps.sightings.note(caller);
    return caller;
  }
}
