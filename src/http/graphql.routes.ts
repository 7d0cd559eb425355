import { ApolloServer } from '@apollo/server';
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled';
import { ApolloServerPluginLandingPageLocalDefault } from '@apollo/server/plugin/landingPage/default';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { WebsocketHandler } from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql';
import {
  costLimit,
  documentLimits,
  type FailureLog,
  formatError,
  MAX_TOKENS,
  MAX_VALIDATION_ERRORS,
  noSubscription,
  oneSessionPerDocument,
  operationNote,
  type RecordRefusals,
  refusalAudit,
  replyPlugin,
} from '../graphql/index.ts';
import type { RequestContext } from '../platform/request/index.ts';
import { tracing } from '../platform/telemetry/index.ts';
import { developmentOnly } from './development-only.ts';
import { bodyBytes, OperationPlaces } from './operation-places.ts';
import type { RequestContexts } from './request-context.ts';

/** Path for HTTP and for the WebSocket. */
export const GRAPHQL_PATH = '/graphql';

/** Hosts from which Apollo Sandbox loads its code and fonts. The gateway serves the page itself. */
const SANDBOX_HOSTS = 'https://*.apollographql.com';
const SANDBOX_POLICY =
  `default-src 'self'; script-src 'self' 'unsafe-inline' ${SANDBOX_HOSTS}; style-src 'self' 'unsafe-inline' ${SANDBOX_HOSTS} https://fonts.googleapis.com; ` +
  `img-src 'self' data: ${SANDBOX_HOSTS}; font-src 'self' ${SANDBOX_HOSTS} https://fonts.gstatic.com; frame-src ${SANDBOX_HOSTS}; ` +
  `manifest-src ${SANDBOX_HOSTS}; connect-src 'self' ${SANDBOX_HOSTS}; frame-ancestors 'none'`;

export interface GraphqlOptions {
  readonly schema: GraphQLSchema;
  readonly introspection: boolean;
  /** Concurrent operations. Further operations wait, and are refused after a while. */
  readonly maxOperations: number;
  /** Apollo Sandbox for browsers, on the developer's own machine. */
  readonly sandbox: boolean;
  readonly log: FailureLog;
  /** Writes to the audit trail. */
  readonly recordRefusals: RecordRefusals;
  readonly contexts: RequestContexts;
  /** Serves the sockets of subscriptions. */
  readonly openSocket: WebsocketHandler;
}

/** GraphQL over HTTP at `/graphql`. */
export function graphqlRoutes({
  schema,
  introspection,
  maxOperations,
  sandbox,
  log,
  recordRefusals,
  contexts,
  openSocket,
}: GraphqlOptions) {
  return async (app: FastifyInstance): Promise<void> => {
    const apollo = new ApolloServer<RequestContext>({
      schema,
      introspection,
      csrfPrevention: true,
      allowBatchedHttpRequests: false,
      // Off: a second way of sending a document, without a use here.
      persistedQueries: false,
      includeStacktraceInErrorResponses: false,
      hideSchemaDetailsFromClientErrors: !introspection,
      stopOnTerminationSignals: false,
      parseOptions: { maxTokens: MAX_TOKENS },
      validationOptions: { maxErrors: MAX_VALIDATION_ERRORS },
      // Without maxRecursiveSelections: Apollo would run our rules only after all rules of the specification have
      // passed.
      validationRules: [documentLimits, oneSessionPerDocument],
      formatError,
      plugins: [
        operationNote,
        replyPlugin(log),
        noSubscription,
        costLimit(schema),
        refusalAudit(recordRefusals),
        // Answers are never cached (replyPlugin sets the header), and this plugin visits every field to find that out.
        ApolloServerPluginCacheControlDisabled(),
        // Variables such as APOLLO_KEY in the environment would turn these on, and send reports to Apollo.
        ApolloServerPluginUsageReportingDisabled(),
        ApolloServerPluginSchemaReportingDisabled(),
        ApolloServerPluginInlineTraceDisabled(),
        sandbox
          ? ApolloServerPluginLandingPageLocalDefault({ embed: true, includeCookies: true, footer: false })
          : ApolloServerPluginLandingPageDisabled(),
      ],
      logger: {
        debug() {},
        info() {},
        warn: (message) => app.log.warn(message),
        error: (message) => app.log.error(message),
      },
    });
    await apollo.start();
    app.addHook('onClose', () => apollo.stop());

    const answer = fastifyApolloHandler(apollo, {
      context: async (request, reply) => contexts.of(request, reply),
    });
    const places = new OperationPlaces(maxOperations);
    // The body has arrived by now, so a slow sender holds no place.
    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      const bytes = bodyBytes(request.headers, request.routeOptions.bodyLimit);
      await places.enter(bytes, () => request.socket.destroyed);
      let body: unknown;
      try {
        // The operation gives it a better name, once its document is parsed.
        body = await tracing().span('graphql', 'internal', {}, () => answer.call(app, request, reply));
      } finally {
        places.leave();
      }
      return reply.statusCode < 400 || typeof body !== 'string' ? body : identified(body, request, reply);
    };
    const wantsPage = (request: FastifyRequest) => /text\/(html|\*)/i.test(request.headers.accept ?? '');
    const setPolicy = async (_request: FastifyRequest, reply: FastifyReply) => {
      if (String(reply.getHeader('content-type')).startsWith('text/html')) {
        reply.header('content-security-policy', SANDBOX_POLICY);
      }
    };
    app.route({
      url: GRAPHQL_PATH,
      method: 'GET',
      handler,
      wsHandler: openSocket,
      onRequest: async (request, reply) => (wantsPage(request) ? developmentOnly(request, reply) : undefined),
      onSend: setPolicy,
    });
    app.route({ url: GRAPHQL_PATH, method: 'POST', handler, onSend: setPolicy });
  };
}

/** Adds the request id to an error that Apollo reports before there is an operation. Such an error passes no plugin. */
function identified(body: string, request: FastifyRequest, reply: FastifyReply): string {
  if (reply.getHeader('cache-control') !== undefined) return body;
  reply.header('cache-control', 'no-store');
  const { errors } = JSON.parse(body) as GraphQLFormattedErrors;
  const withId = errors.map((error) => ({
    ...error,
    extensions: { ...error.extensions, requestId: request.id },
  }));
  return JSON.stringify({ errors: withId });
}

interface GraphQLFormattedErrors {
  readonly errors: readonly GraphQLFormattedError[];
}
