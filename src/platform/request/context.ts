import type { EntityManager } from '@mikro-orm/postgresql';
import type { Caller } from './caller.ts';
import type { RequestOrigin } from './origin.ts';

/** What a request brought to prove who sends it, unchecked. */
export interface PresentedCredentials {
  /** Of `Authorization: Bearer`. */
  readonly bearer: string | undefined;
  readonly cookies: Readonly<Record<string, string | undefined>>;
}

export interface CookieAttributes {
  readonly domain?: string;
  readonly path: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'lax';
  /** Seconds; 0 deletes. */
  readonly maxAge: number;
}

/** One request, as resolvers see it. */
export interface RequestContext {
  readonly origin: RequestOrigin;
  readonly credentials: PresentedCredentials;
  /** Forked when first used: an operation that needs no database pays for none. */
  readonly em: EntityManager;
  /**
   * Verifies the access token, once. @returns null for an anonymous request.
   * @throws {ServiceUnavailable} when nobody can tell whether the token's session has ended.
   */
  authenticate(): Promise<Caller | null>;
  /** The verified caller, in operations that are decorated with `Authorize`. */
  readonly caller: Caller;
  setCookie(name: string, value: string, attributes: CookieAttributes): void;
}
