import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import websocket from '@fastify/websocket';
import type { EntityManager } from '@mikro-orm/postgresql';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { type FailureLog, type RecordRefusals, refusalOf, refusalTrail, refused } from '../graphql/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import type { Hints } from '../platform/hints.ts';
import type { DevMailbox } from '../platform/mail/index.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import type { RequestContext } from '../platform/request/index.ts';
import { allowedMethods } from './allowed-methods.ts';
import { trustProxyOf } from './client-ip.ts';
import { type ConnectionSharing, KEEP_ALIVE_TIMEOUT, shareConnections } from './connection-places.ts';
import {
  CONNECTION_OPTIONS,
  guardConnections,
  MAX_REQUESTS_PER_SOCKET,
  REQUEST_TIMEOUT,
} from './connections.ts';
import { dpopHeader, type ProofVerification } from './dpop-header.ts';
import { ListenerClosing } from './drain.ts';
import { errorReplies, replyToError, replyToParserError } from './error-replies.ts';
import { explorerRoutes } from './explorer.routes.ts';
import { GRAPHQL_PATH, graphqlRoutes } from './graphql.routes.ts';
import { refuseHandshakes } from './handshakes.ts';
import { type HealthOptions, healthRoutes } from './health.routes.ts';
import { checkHostHeader } from './host-header-check.ts';
import { mailboxRoutes } from './mailbox.routes.ts';
import { httpRequests } from './metrics.ts';
import { oneCredential } from './one-credential.ts';
import { lostCookieHint, refusedOriginHint, untrustedProxyHint } from './operator-hints.ts';
import { ForeignOrigin, originCheck, originGuard } from './origin-guard.ts';
import type { Budget } from './place-table.ts';
import { limitRequestAge } from './request-age.ts';
import { factsOf, type RequestContexts } from './request-context.ts';
import { requestIdHook, requestIdOf } from './request-id.ts';
import { traceRequests } from './request-tracing.ts';
import { routeName } from './route-name.ts';
import { securityHeaders } from './security-headers.ts';
import type { SocketBudget } from './socket-places.ts';
import { closeInStages } from './staged-close.ts';
import {
  onSocketError,
  SOCKET_OPTIONS,
  type SOCKET_RULES,
  subscriptionSocket,
} from './subscription-socket.ts';

/** Bytes: a registration with every field at its limit takes about 5 kB. */
const BODY_LIMIT = 100 * 1024;

export interface ServerOptions {
  readonly production: boolean;
  readonly publicUrl: string;
  /** URL at which this machine reaches the gateway without a proxy. It serves the pages for developers. */
  readonly localUrl: string;
  readonly clientOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly requireRequestId: boolean;
  readonly connections: Budget;
  readonly sockets: SocketBudget;
  /** Seconds from the arrival of a request to the end of its work. */
  readonly requestMaxAgeSeconds: number;
  readonly introspection: boolean;
  /** Concurrent GraphQL operations. Further ones wait for a while. */
  readonly maxOperations: number;
  readonly schema: GraphQLSchema;
  /** Names of the cookies that carry tokens, or bind something to a browser. */
  readonly tokenCookies: readonly string[];
  readonly health: HealthOptions;
  /** Whether answers announce that their connection closes, before a stop. */
  readonly closesConnections: () => boolean;
  /** HTTP routes of capabilities. */
  readonly routes: readonly FastifyPluginAsync[];
  /** Routes that accept a cookie as a credential, and that pages of other origins may call. */
  readonly guardedRoutes: readonly FastifyPluginAsync[];
  /** Keeps mails for the developer, instead of sending them. */
  readonly devMailbox: DevMailbox | undefined;
  readonly fork: () => EntityManager;
  /** Records refusals. */
  readonly audit: AuditLog;
  readonly contexts: RequestContexts;
  /** Undefined: the header DPoP is ignored. */
  readonly dpopProofs: ProofVerification | undefined;
  readonly rateLimiter: RateLimiter<keyof typeof SOCKET_RULES>;
  readonly log: FastifyBaseLogger;
  readonly hints: Hints;
}

/** Makes the HTTP server. All routes are mounted; it does not listen yet. */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const { production, publicUrl, localUrl, tokenCookies, log, hints } = options;
  const security = securityHeaders({ https: publicUrl.startsWith('https:') });
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: requestIdOf,
    trustProxy: trustProxyOf(options.trustedProxies),
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    maxRequestsPerSocket: MAX_REQUESTS_PER_SOCKET,
    http: CONNECTION_OPTIONS,
    forceCloseConnections: 'idle',
    // During a stop, requests on existing connections are answered as before: all parts still work.
    return503OnClosing: false,
    // No hook has run yet, so this sets the security headers itself.
    frameworkErrors: (error, request, reply) => replyToError(error, request, reply.headers(security)),
    clientErrorHandler: replyToParserError(security),
  });
  traceRequests(app, options.trustedProxies);
  guardConnections(app, security);
  const requestMaxAge = options.requestMaxAgeSeconds * 1_000;
  limitRequestAge(app, requestMaxAge);
  const closing = new ListenerClosing(app.server);
  app.addHook('onRequest', closing.hold);
  app.addHook('onClose', shareConnections(connectionSharing(app, options)));
  const failures = failureLog(log);
  const recordRefusals = refusalTrail(options.audit, failures);
  errorReplies(app, allowedMethods(app));
  auditRefusals(app, options.contexts, recordRefusals);
  logRequests(app);
  app.addHook('onSend', async (request, reply) => {
    // Otherwise a kept-alive connection would delay the shutdown until its timeout. Also, Node would read an unwanted
    // body for as long as a request may take.
    const early = isStillSending(request);
    if (early) closeInStages(request.raw);
    if (early || options.closesConnections()) reply.header('connection', 'close');
  });

  const noteForwarding = untrustedProxyHint(hints, options.trustedProxies);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(security);
    noteForwarding(request);
  });
  await app.register(cookie);
  await app.register(websocket, { options: SOCKET_OPTIONS, errorHandler: onSocketError });
  refuseHandshakes(app, GRAPHQL_PATH, security);
  app.addHook('onRequest', requestIdHook({ required: options.requireRequestId }));
  app.addHook('onRequest', checkHostHeader);
  app.addHook('onRequest', oneCredential(tokenCookies));

  const allowedOrigins = [publicUrl, ...options.clientOrigins, ...(production ? [] : [localUrl])];
  const isAllowed = originCheck({ allowedOrigins, loopbackIsOne: !production });
  await app.register(healthRoutes(options.health));
  for (const routes of options.routes) await app.register(routes);
  if (!production) await app.register(explorerRoutes);
  const { devMailbox: mailbox, fork } = options;
  if (mailbox) await app.register(mailboxRoutes({ mailbox, fork }));

  await app.register(async (api) => {
    await api.register(cors, {
      origin: (origin, decide) => decide(null, origin !== undefined && isAllowed(origin)),
      credentials: true,
      // An OPTIONS request that is not a preflight gets the same answer, without CORS headers. With `true`, the plugin
      // would refuse it in plain text.
      strictPreflight: false,
      methods: ['GET', 'POST'],
      exposedHeaders: ['x-request-id', 'retry-after', 'www-authenticate'],
      maxAge: 600,
    });
    const onForeign = refusedOriginHint(hints, options);
    api.addHook(
      'onRequest',
      originGuard({ allowedOrigins, tokenCookies, loopbackIsOne: !production, onForeign }),
    );
    const noteCookies = lostCookieHint(hints, options);
    api.addHook('onSend', (request, reply, _payload, done) => {
      noteCookies(request, reply);
      done();
    });
    if (options.dpopProofs) api.addHook('onRequest', dpopHeader(options.dpopProofs));
    for (const routes of options.guardedRoutes) await api.register(routes);
    const { schema, introspection, maxOperations, contexts, rateLimiter, sockets } = options;
    await api.register(
      graphqlRoutes({
        schema,
        introspection,
        maxOperations,
        sandbox: !production,
        log: failures,
        recordRefusals,
        contexts,
        openSocket: subscriptionSocket({
          schema,
          introspection,
          log: failures,
          recordRefusals,
          contexts,
          rateLimiter,
          sockets,
          deadline: requestMaxAge,
        }),
      }),
    );
  });
  app.addHook('preClose', closing.close);
  app.addHook('onClose', closing.finish);
  return app;
}

const connectionSharing = (
  { server }: FastifyInstance,
  { connections: budget, trustedProxies, log }: ServerOptions,
): ConnectionSharing => ({
  server,
  budget,
  trustedProxies,
  onCrowded: (facts) =>
    log.warn(facts, 'connections were refused, or closed to make room: see MAX_CONNECTIONS'),
});

const isStillSending = ({ raw, headers }: FastifyRequest): boolean =>
  raw.complete === false &&
  (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0);

/** Audits refusals that a route throws. This hook also covers routes with their own error replies. */
function auditRefusals(app: FastifyInstance, contexts: RequestContexts, record: RecordRefusals): void {
  app.addHook('onError', async (request, reply, error) => {
    const refusal = refusalOf(error, routeName(request));
    if (!refusal) return;
    const context = contexts.of(request, reply);
    await record(error instanceof ForeignOrigin ? withoutCaller(context) : context, [refusal]);
  });
}

const withoutCaller = ({ em, source }: RequestContext) => ({ em, source, authenticate: async () => null });

/**
 * Logs one line for each request: its source, the verified user and the operation. It never has the query string,
 * headers or body, which carry secrets.
 */
function logRequests(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unmatched';
    httpRequests.add({ route, status: String(reply.statusCode) });
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        ...factsOf(request),
        ms: Math.round(reply.elapsedTime),
      },
      'request',
    );
  });
}

function failureLog(log: FastifyBaseLogger): FailureLog {
  return {
    fault: (error, facts) => log.error({ ...facts, err: error }, 'an operation failed'),
    refusal(facts) {
      refused.add({ code: String(facts.code) }, Number(facts.times));
      log.info(facts, 'an operation was refused');
    },
  };
}
