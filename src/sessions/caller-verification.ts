import type { EntityManager } from '@mikro-orm/postgresql';
import type { Caller, PresentedCredentials } from '../platform/request/index.ts';
import type { AccessTokens } from './access-token.ts';
import type { KeyBinding } from './dpop/key-binding.ts';
import type { GenerationSightings } from './generation-sightings.ts';
import type { Revocations } from './revocations.ts';
import type { TokenCookies } from './token-cookies.ts';

/** Tells who is calling. Every door of the gateway asks here; that of GraphQL alone lets in who must still enrol. */
export class CallerVerification {
  constructor(
    private readonly cookies: TokenCookies,
    private readonly accessTokens: AccessTokens,
    private readonly revocations: Revocations,
    private readonly keyBinding: KeyBinding,
    private readonly sightings: GenerationSightings,
  ) {}

  /**
   * @param em for the rare case that endings must be asked of the database
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
    const token = this.cookies.accessToken(credentials);
    const caller = token === undefined ? null : await this.accessTokens.verify(token);
    if (token === undefined || !caller || (await this.revocations.isVoid(caller, em))) return null;
    this.keyBinding.requireKeyOf(caller, token, credentials);
    // After it: a token that was stolen without its key is not in use.
    this.sightings.note(caller);
    return caller;
  }
}
