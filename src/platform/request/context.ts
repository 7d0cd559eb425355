import type { EntityManager } from '@mikro-orm/postgresql';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { InvalidDpopProof } from '../errors.ts';
import type { Caller } from './caller.ts';
import type { RequestSource } from './request-source.ts';

/** A verified proof that the sender of a request holds a key (RFC 9449). */
export interface DpopProof {
  /** Thumbprint of the key: RFC 7638, SHA-256, base64url. */
  readonly thumbprint: string;
  /** `ath`: SHA-256 of the access token for which the proof was made, base64url; null without one. */
  readonly accessTokenHash: string | null;
}

/** The credentials of a request, unchecked. */
export interface PresentedCredentials {
  /** The token of `Authorization: Bearer`, or `DPoP`. */
  readonly bearer: string | undefined;
  /** Scheme of the header Authorization; absent for an unknown scheme. */
  readonly scheme?: 'bearer' | 'dpop' | undefined;
  /** Checked, except for its access token; null without a proof. */
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

/** The facts of a request for the log, as far as they are known. */
export interface RequestFacts {
  /** The client's IP, behind trusted proxies. */
  readonly ip: string | null;
  /** User id of the verified caller. */
  userId?: string;
  /** Root fields of the document, by their names in the schema. */
  operation?: string;
}

/** One request, as resolvers see it. */
export interface RequestContext {
  readonly source: RequestSource;
  readonly facts: RequestFacts;
  readonly credentials: PresentedCredentials;
  /**
   * Start of an operation with several root fields, in the time of `performance.now()`. Mutations run one after the
   * other, so later ones wait for work that their own client requested. Undefined for an operation of one field.
   */
  severalFieldsSince?: number;
  /** Forked at the first use, so that an operation without the database does not pay for it. */
  readonly em: EntityManager;
  /**
   * Verifies the access token once.
   * @returns null for an anonymous request.
   * @throws {ServiceUnavailable} when it cannot be told whether the token's session has ended.
   */
  authenticate(): Promise<Caller | null>;
  /** Why a genuine access token does not authenticate the request: the request did not prove the key. */
  readonly proofProblem?: InvalidDpopProof | undefined;
  /** The verified caller, in operations with `Authorize`. */
  readonly caller: Caller;
  setCookie(name: string, value: string, attributes: CookieAttributes): void;
}

/**
 * The part of a request that a service needs to act for the signed-in caller. A resolver passes its context. `em` is
 * outside of any transaction: inside of one, use that of the transaction.
 */
export type CallerRequest = Pick<RequestContext, 'em' | 'source' | 'caller'>;

/** The context of one HTTP request, for the routes of a capability. */
export type ContextOf = (request: FastifyRequest, reply: FastifyReply) => RequestContext;
