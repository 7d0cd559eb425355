import type { EntityManager } from '@mikro-orm/postgresql';
import type { InvalidDpopProof } from '../errors.ts';
import type { Caller } from './caller.ts';
import type { RequestSource } from './request-source.ts';

/** That the sender of a request holds a key (RFC 9449). */
export interface DpopProof {
  /** Of the key: RFC 7638, SHA-256, base64url. */
  readonly thumbprint: string;
  /** `ath`: SHA-256 of the access token that the proof was made for, base64url; null for none. */
  readonly accessTokenHash: string | null;
}

/** What a request brought to prove who sends it, unchecked. */
export interface PresentedCredentials {
  /** Of `Authorization: Bearer`, or `DPoP`. */
  readonly bearer: string | undefined;
  /** Of the header Authorization, as far as it is known. */
  readonly scheme?: 'bearer' | 'dpop' | undefined;
  /** Checked but for the token that it must go with; null without one. */
  readonly dpopProof?: DpopProof | null;
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

/** What the log says of a request, as far as it is known by then. */
export interface RequestFacts {
  /** Of the client, through trusted proxies only. */
  readonly ip: string | null;
  /** Of the verified caller. */
  userId?: string;
  /** Root fields of the document, as the schema names them. */
  operation?: string;
}

/** One request, as resolvers see it. */
export interface RequestContext {
  readonly source: RequestSource;
  readonly facts: RequestFacts;
  readonly credentials: PresentedCredentials;
  /**
   * In the time of `performance.now()`: since when an operation of several root fields is executed. Mutations go one after the
   * other, so the later ones wait for work that their own client asked for. Undefined for an operation of one field.
   */
  severalFieldsSince?: number;
  /** Forked when first used: an operation that needs no database pays for none. */
  readonly em: EntityManager;
  /**
   * Verifies the access token, once. @returns null for an anonymous request.
   * @throws {ServiceUnavailable} when nobody can tell whether the token's session has ended.
   */
  authenticate(): Promise<Caller | null>;
  /** Why a genuine access token does not authenticate the request: its key was not proved. */
  readonly proofProblem?: InvalidDpopProof | undefined;
  /** The verified caller, in operations that are decorated with `Authorize`. */
  readonly caller: Caller;
  setCookie(name: string, value: string, attributes: CookieAttributes): void;
}
