import type { WebSocket, WebsocketHandler } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import {
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
} from 'graphql';
import { CloseCode, handleProtocols, makeServer } from 'graphql-ws';
import {
  type FailureLog,
  formatError,
  logFailures,
  prepareSubscription,
  type RecordRefusals,
  refusalsOf,
  subscribeInTime,
  withProtocolCode,
} from '../graphql/index.ts';
import { withinDeadline } from '../platform/database/index.ts';
import { ErrorCode, RateLimited, ServiceUnavailable } from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type RequestContext } from '../platform/request/index.ts';
import type { RequestContexts } from './request-context.ts';
import { routeName } from './route-name.ts';
import { boundSocket } from './socket-bounds.ts';
import { type SocketBudget, type SocketPlace, SocketPlaces, TRY_AGAIN_LATER } from './socket-places.ts';

/**
 * Sockets that one network may open. An office of 300 people with three tabs each reconnects within a minute and a
 * half.
 */
export const SOCKET_RULES = {
  'socket.ip': { burst: 600, perSeconds: 60, counts: 'IP, for every WebSocket' },
} as const;

/** Bytes of a message. Documents of subscriptions are short. */
const MAX_MESSAGE = 16 * 1024;
/** Milliseconds for the client to confirm the close of a socket. A shutdown waits for it. */
const CLOSE_TIMEOUT = 3_000;

/** Options of the WebSocket server. `closeTimeout` is an option of ws that its types do not know yet. */
export const SOCKET_OPTIONS = { maxPayload: MAX_MESSAGE, closeTimeout: CLOSE_TIMEOUT, handleProtocols };

/** Subscriptions per socket. */
const MAX_SUBSCRIPTIONS = 10;
/** Milliseconds until a client must say hello, and between two pings that it must answer. */
const HELLO_TIMEOUT = 3_000;
const KEEP_ALIVE = 15_000;
/** Milliseconds between two checks whether the token of a socket is still valid. They cost no I/O. */
const TOKEN_INTERVAL = 1_000;
const UNTOLD = 'Unable to check whether the session has ended';

export interface SocketOptions {
  readonly schema: GraphQLSchema;
  readonly introspection: boolean;
  readonly log: FailureLog;
  /** Writes to the audit trail. */
  readonly recordRefusals: RecordRefusals;
  readonly contexts: RequestContexts;
  readonly rateLimiter: RateLimiter<keyof typeof SOCKET_RULES>;
  readonly sockets: SocketBudget;
  /** Milliseconds for the start of a subscription, and for answering each event. */
  readonly deadline: number;
}

interface Extra extends Record<PropertyKey, unknown> {
  readonly socket: WebSocket;
  readonly request: FastifyRequest;
  readonly place: SocketPlace;
}

/**
 * Serves subscriptions over a WebSocket (the protocol graphql-transport-ws). Queries and mutations go over HTTP. The
 * hooks of the route have checked the origin before. A socket that was opened with a token closes when the token
 * expires or is revoked.
 */
export function subscriptionSocket(options: SocketOptions): WebsocketHandler {
  const { schema, log, recordRefusals, contexts, rateLimiter, sockets, deadline } = options;
  const places = new SocketPlaces(sockets);
  const contextOf = ({
    extra,
    connectionParams,
  }: {
    extra: Extra;
    connectionParams?: Record<string, unknown>;
  }) => {
    const authorization = connectionParams?.authorization ?? connectionParams?.Authorization;
    return contexts.ofSocket(extra.request, typeof authorization === 'string' ? authorization : undefined);
  };
  /** Returns the errors for the client. The log gets more detail, and the audit trail gets the refusals. */
  const report = async (
    raw: readonly GraphQLError[],
    context: RequestContext,
    request: FastifyRequest,
  ): Promise<GraphQLFormattedError[]> => {
    const errors = raw.map(withProtocolCode);
    logFailures(log, errors, context);
    await recordRefusals(context, refusalsOf(errors, routeName(request)));
    return errors.map((error) => {
      const formatted = formatError(error.toJSON(), error);
      return { ...formatted, extensions: { ...formatted.extensions, requestId: context.source.requestId } };
    });
  };

  const server = makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: HELLO_TIMEOUT,
    subscribe: subscribeInTime(deadline),
    async onConnect(ctx) {
      const context = contextOf(ctx);
      const { socket, place } = ctx.extra;
      try {
        const caller = await withinDeadline(deadline, () => context.authenticate());
        if (caller ? !place.signedIn(caller.userId) : !places.anonymousMayStay) {
          place.close();
          return false;
        }
        if (caller) endWithToken(socket, deadline, () => contextOf(ctx));
        return true;
      } catch (error) {
        if (!(error instanceof ServiceUnavailable)) throw error;
        socket.close(TRY_AGAIN_LATER, UNTOLD);
        return false;
      }
    },
    async onSubscribe(ctx, _id, payload) {
      const context = contextOf(ctx);
      const found = prepareSubscription(payload, options);
      if (Array.isArray(found)) return found;
      if (Object.keys(ctx.subscriptions).length > MAX_SUBSCRIPTIONS) {
        return [new GraphQLError('Too many subscriptions.', { originalError: new RateLimited(1) })];
      }
      return { ...found, schema, contextValue: context };
    },
    // graphql-ws calls onOperation and onNext with five arguments.
    onOperation: (ctx, id, ...[_payload, _args, result]) => {
      if (Symbol.asyncIterator in result) ctx.extra.place.began(id);
    },
    onComplete: (ctx, id) => ctx.extra.place.ended(id),
    onError: (ctx, _id, _payload, errors) =>
      report(errors as GraphQLError[], contextOf(ctx), ctx.extra.request),
    async onNext(ctx, ...[_id, _payload, args, result]) {
      if (!result.errors) return;
      const errors = await report(result.errors, args.contextValue as RequestContext, ctx.extra.request);
      return { ...result, errors } as FormattedExecutionResult;
    },
  });

  return async function onSocket(socket, request) {
    const context = contexts.ofSocket(request, undefined);
    const networks = context.source.networks;
    const limit = { operation: routeName(request), code: ErrorCode.RATE_LIMITED, subjectId: null } as const;
    const refuse = (reason: string): Promise<void> => {
      socket.close(TRY_AGAIN_LATER, reason);
      return recordRefusals(context, [limit]);
    };
    const place = places.open(socket, networks);
    if (!place) return refuse('Too many sockets');
    socket.once('close', () => place.leave());
    const mayGoOn = boundSocket(socket, (reason) => {
      request.log.info({ reason }, 'a WebSocket was cut');
      void recordRefusals(context, [limit]);
    });
    const closed = server.opened(
      {
        protocol: socket.protocol,
        // A client that has left receives nothing, which is not a fault. The event `close` reports that it left.
        send: (data) => new Promise((resolve) => socket.send(data, () => resolve())),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (handle) => {
          socket.on('message', (data) => {
            if (!mayGoOn()) return;
            handle(String(data)).catch((error: unknown) => {
              log.fault(error, { requestId: request.id, field: 'socket', times: 1 });
              socket.close(CloseCode.InternalServerError, 'Internal server error');
            });
          });
        },
      },
      { socket, request, place },
    );
    socket.once('close', (code, reason) => void closed(code, String(reason)));
    keepAlive(socket);
    // After the listeners are set, so that messages that arrive meanwhile are not lost.
    await rateLimiter.charge(['socket.ip', networks]).catch((error) => {
      if (!(error instanceof RateLimited)) throw error;
      return refuse('Too many attempts');
    });
  };
}

/**
 * Protocol errors that ws finds, and ends of connections. Any client can cause them, so they are not faults of the
 * gateway.
 */
const CAUSED_BY_CLIENT = /^(WS_ERR_\w+|ECONNRESET|EPIPE)$/;

/** Logs an error of an open socket, and cuts the socket. */
export function onSocketError(error: Error, socket: WebSocket, request: FastifyRequest): void {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (CAUSED_BY_CLIENT.test(code)) request.log.info({ code }, 'a WebSocket was cut');
  else request.log.error({ err: error }, 'a WebSocket failed');
  socket.terminate();
}

/** Closes the socket when its token expires or its session ends. */
function endWithToken(socket: WebSocket, deadline: number, contextOf: () => RequestContext): void {
  const look = async () => {
    try {
      const caller = await withinDeadline(deadline, () => contextOf().authenticate());
      if (!caller) socket.close(CloseCode.Unauthorized, 'Unauthorized');
    } catch {
      socket.close(TRY_AGAIN_LATER, UNTOLD);
    }
  };
  const timer = setInterval(() => void look(), TOKEN_INTERVAL).unref();
  socket.once('close', () => clearInterval(timer));
}

/** Ends the socket of a client that does not answer pings, even if TCP considers it connected. */
function keepAlive(socket: WebSocket): void {
  let alive = true;
  socket.on('pong', () => {
    alive = true;
  });
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, KEEP_ALIVE).unref();
  socket.once('close', () => clearInterval(timer));
}
