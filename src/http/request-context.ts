import '@fastify/cookie';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { InvalidDpopProof, Unauthenticated } from '../platform/errors.ts';
import type {
  Caller,
  CookieAttributes,
  PresentedCredentials,
  RequestContext,
  RequestFacts,
  RequestSource,
} from '../platform/request/index.ts';
import { bareAddress, networksOf } from '../platform/request/index.ts';
import { proofOf } from './dpop-header.ts';

/** Characters of a user agent that are worth keeping. */
const MAX_USER_AGENT = 512;

/** Turns presented credentials into a caller: sessions/caller-verification.ts. */
export interface CallerVerification {
  identify(credentials: PresentedCredentials, em: () => EntityManager): Promise<Caller | null>;
}

/** Makes the contexts of requests. */
export interface RequestContexts {
  /** Of one HTTP request. */
  of(request: FastifyRequest, reply: FastifyReply): RequestContext;
  /** Of one operation over a WebSocket, which a page opens without a say in its headers: it may name a bearer later. */
  ofSocket(request: FastifyRequest, authorization: string | undefined): RequestContext;
}

export const requestContexts = (
  fork: () => EntityManager,
  callerVerification: CallerVerification,
  /** Name of the cookie that tells known devices apart. */
  deviceCookie: string,
): RequestContexts => ({
  of: (request, reply) => new HttpRequestContext(request, reply, fork, callerVerification, deviceCookie),
  ofSocket: (request, authorization) =>
    new HttpRequestContext(request, null, fork, callerVerification, deviceCookie, authorization),
});

/** Of HTTP requests: a request may have several contexts, and its line in the log is written without any. */
const factsOfRequests = new WeakMap<FastifyRequest, RequestFacts>();

/** What is known of a request, for its line in the log. */
export function factsOf(request: FastifyRequest): RequestFacts {
  const known = factsOfRequests.get(request) ?? { ip: clientAddressOf(request) };
  factsOfRequests.set(request, known);
  return known;
}

class HttpRequestContext implements RequestContext {
  readonly source: RequestSource;
  readonly facts: RequestFacts;
  readonly credentials: PresentedCredentials;
  proofProblem: InvalidDpopProof | undefined;
  severalFieldsSince?: number;
  private forked: EntityManager | undefined;
  private verification: Promise<Caller | null> | undefined;
  private verified: Caller | null = null;

  constructor(
    request: FastifyRequest,
    /** Null over a WebSocket, which cannot set cookies. */
    private readonly reply: FastifyReply | null,
    private readonly fork: () => EntityManager,
    private readonly callerVerification: CallerVerification,
    deviceCookie: string,
    authorization = request.headers.authorization,
  ) {
    const dpopProof = proofOf(request);
    // Each operation over a WebSocket has facts of its own.
    this.facts = reply ? factsOf(request) : { ip: clientAddressOf(request) };
    this.source = {
      requestId: request.id,
      clientIp: this.facts.ip,
      networks: networksOf(this.facts.ip),
      userAgent: printable(request.headers['user-agent']),
      deviceMark: request.cookies[deviceCookie] ?? null,
      dpopThumbprint: dpopProof?.thumbprint ?? null,
      completeSince: request.completeSince,
    };
    this.credentials = {
      ...presented(authorization),
      dpopProof,
      cookies: request.cookies,
    };
  }

  get em(): EntityManager {
    this.forked ??= this.fork();
    return this.forked;
  }

  async authenticate(): Promise<Caller | null> {
    this.verification ??= this.callerVerification
      .identify(this.credentials, () => this.em)
      .catch((error) => {
        if (!(error instanceof InvalidDpopProof)) throw error;
        this.proofProblem = error;
        return null;
      });
    this.verified = await this.verification;
    if (this.verified) this.facts.userId = this.verified.userId;
    return this.verified;
  }

  get caller(): Caller {
    if (!this.verified) throw new Unauthenticated('the operation does not ask for a signed-in caller');
    return this.verified;
  }

  setCookie(name: string, value: string, attributes: CookieAttributes): void {
    if (!this.reply) throw new Error('a WebSocket cannot set cookies');
    this.reply.setCookie(name, value, attributes);
  }
}

/** Through trusted proxies. */
const clientAddressOf = (request: FastifyRequest): string | null =>
  bareAddress(request.ip) ?? bareAddress(request.socket.remoteAddress ?? '');

/** Of another scheme: none. Of a malformed header: an empty token, so that it does not fall back to the cookie. */
function presented(authorization = ''): Pick<PresentedCredentials, 'bearer' | 'scheme'> {
  const [, scheme = '', token = ''] = /^(Bearer|DPoP)\b(?: +(\S+)$)?/i.exec(authorization) ?? [];
  if (scheme === '') return { bearer: undefined };
  return { bearer: token, scheme: scheme.toLowerCase() === 'dpop' ? 'dpop' : 'bearer' };
}

function printable(text: string | undefined): string | null {
  // Control characters could forge a line of a log or move the cursor of a terminal that shows it.
  return text?.replace(/\p{C}/gu, '').slice(0, MAX_USER_AGENT) || null;
}
