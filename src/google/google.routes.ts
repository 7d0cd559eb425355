import '@fastify/cookie';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServiceUnavailable } from '../platform/errors.ts';
import type { ContextOf, CookieStyle } from '../platform/request/index.ts';
import { asGatehouseError } from '../platform/unavailable.ts';
import { FlowTokenPurpose } from './google-flow-token.entity.ts';
import { FLOW_TOKEN_TTL } from './google-flow-tokens.ts';
import { GOOGLE } from './provider.ts';
import { AccessDenied, type RedirectFlow } from './redirect-flow.ts';

/** The only redirect URI. Register PUBLIC_URL followed by this path with Google. */
export const CALLBACK_PATH = '/oauth/google/callback';
export const START_PATH = '/oauth/google/start';
/**
 * The page that takes the result from its fragment: of the front end, or ours (sign-in-page.routes.ts).
 */
export const RESULT_PAGE = '/google-sign-in';
/**
 * Seconds. The cookie outlives the state, because a result may arrive in the last moment of the state and wait to be
 * fetched.
 */
const BINDING_TTL = FLOW_TOKEN_TTL[FlowTokenPurpose.STATE] + FLOW_TOKEN_TTL[FlowTokenPurpose.RESULT];
const IN_BROWSER = { exposeHeadRoute: false, config: { anyRequestId: true } };

/** The name of the cookie that binds a flow to the browser that started it. */
export const bindingCookieName = (cookies: CookieStyle): string => cookies.name(GOOGLE.name);

export interface GoogleRouteOptions {
  /** Origin of the page to which the browser is sent at the end. No request can change it. */
  readonly resultOrigin: string;
}

/** Sign-in by redirect. Except after a fault, the browser ends at RESULT_PAGE with `#code=` or `#error=`. */
export function googleRoutes(
  flow: RedirectFlow,
  contextOf: ContextOf,
  cookies: CookieStyle,
  options: GoogleRouteOptions,
) {
  const cookieName = bindingCookieName(cookies);
  const backWith = (reply: FastifyReply, result: Record<string, string>) =>
    reply.redirect(`${options.resultOrigin}${RESULT_PAGE}#${new URLSearchParams(result)}`, 303);

  return async (app: FastifyInstance): Promise<void> => {
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store');
    });

    app.setErrorHandler<FastifyError | AccessDenied>((failure, request, reply) =>
      backWith(reply, { error: reasonOf(failure, request) }),
    );

    app.get(START_PATH, IN_BROWSER, async (request, reply) => {
      const context = contextOf(request, reply);
      const { url, browser } = await flow.begin(context.em, context.source);
      context.setCookie(cookieName, browser, cookies.attributes(BINDING_TTL));
      return reply.redirect(url, 303);
    });

    app.get<{ Querystring: Record<string, unknown> }>(CALLBACK_PATH, IN_BROWSER, async (request, reply) => {
      const context = contextOf(request, reply);
      const { state, code, error, iss } = request.query;
      const answer = { state: one(state), code: one(code), error: one(error), iss: one(iss) };
      const browser = context.credentials.cookies[cookieName];
      return backWith(reply, { code: await flow.finish(context.em, answer, browser, context.source) });
    });
  };
}

/** Ignores a parameter that was sent twice (RFC 6749 section 3.1). */
const one = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** An error code of the API, or ACCESS_DENIED. Faults are thrown on, to the handler that logs them. */
function reasonOf(failure: unknown, request: FastifyRequest): string {
  if (failure instanceof AccessDenied) return 'ACCESS_DENIED';
  const error = asGatehouseError(failure);
  if (!error) throw failure;
  // The issuer is unavailable, or GOOGLE_CLIENT_SECRET is wrong. The operator can fix it, so it is a warning.
  const level = error instanceof ServiceUnavailable ? 'warn' : 'info';
  request.log[level]({ code: error.code, detail: error.detail }, 'a Google sign-in was refused');
  return error.code;
}
