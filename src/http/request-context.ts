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
import { networksOf } from '../platform/request/index.ts';
import { clientIpOf } from './client-ip.ts';
import { proofOf } from './dpop-header.ts';

/** Characters of a user agent that are stored. */
const MAX_USER_AGENT = 512;

/** Turns presented credentials into a caller: sessions/caller-verification.ts. */
export interface CallerVerification {
  identify(credentials: PresentedCredentials, em: () => EntityManager): Promise<Caller | null>;
}

/** Makes the contexts of requests. */
export interface RequestContexts {
  /** The context of one HTTP request. */
  of(request: FastifyRequest, reply: FastifyReply): RequestContext;
  /**
   * The context of one operation over a WebSocket. A page cannot set the headers of a WebSocket, so it may send a
   * bearer later.
   */
  ofSocket(request: FastifyRequest, authorization: string | undefined): RequestContext;
}

/** The parts that every context uses. */
export interface RequestContextDependencies {
  readonly fork: () => EntityManager;
  readonly callerVerification: CallerVerification;
  /** Name of the cookie that identifies known devices. */
  readonly deviceCookie: string;
}

export const requestContexts = (deps: RequestContextDependencies): RequestContexts => ({
  of: (request, reply) => new HttpRequestContext(deps, request, reply),
  ofSocket: (request, authorization) => new HttpRequestContext(deps, request, null, authorization),
});

/** Facts of HTTP requests. A request may have several contexts, and its log line is written without any. */
const factsOfRequests = new WeakMap<FastifyRequest, RequestFacts>();

/** The facts of a request for its log line. */
export function factsOf(request: FastifyRequest): RequestFacts {
  const known = factsOfRequests.get(request) ?? { ip: clientIpOf(request) };
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
    private readonly deps: RequestContextDependencies,
    request: FastifyRequest,
    /** Null over a WebSocket, which cannot set cookies. */
    private readonly reply: FastifyReply | null,
    authorization = request.headers.authorization,
  ) {
    const dpopProof = proofOf(request);
    // Each operation over a WebSocket has its own facts.
    this.facts = reply ? factsOf(request) : { ip: clientIpOf(request) };
    this.source = {
      requestId: request.id,
      clientIp: this.facts.ip,
      networks: networksOf(this.facts.ip),
      userAgent: printable(request.headers['user-agent']),
      deviceMark: request.cookies[deps.deviceCookie] ?? null,
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
    this.forked ??= this.deps.fork();
    return this.forked;
  }

  async authenticate(): Promise<Caller | null> {
    this.verification ??= this.deps.callerVerification
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

/**
 * Reads the header Authorization. Another scheme gives no bearer. A malformed header gives an empty token, so that it
 * does not fall back to the cookie.
 */
function presented(authorization = ''): Pick<PresentedCredentials, 'bearer' | 'scheme'> {
  const [, scheme = '', token = ''] = /^(Bearer|DPoP)\b(?: +(\S+)$)?/i.exec(authorization) ?? [];
  if (scheme === '') return { bearer: undefined };
  return { bearer: token, scheme: scheme.toLowerCase() === 'dpop' ? 'dpop' : 'bearer' };
}

function printable(text: string | undefined): string | null {
  // Control characters could forge a log line, or move the cursor of a terminal that shows it.
  return text?.replace(/\p{C}/gu, '').slice(0, MAX_USER_AGENT) || null;
}
