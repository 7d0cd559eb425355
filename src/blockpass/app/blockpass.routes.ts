import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { BadUserInput, GatehouseError, HTTP_STATUS, RateLimited } from '../../platform/errors.ts';
import type { ContextOf, RequestContext } from '../../platform/request/index.ts';
import { asGatehouseError, isUnavailable } from '../../platform/unavailable.ts';
import type { AdmittedUpload, AppCalls, AppRequest } from './app-calls.ts';
import { UploadTooSlow } from './app-errors.ts';
import { readUpload } from './upload-form.ts';
import { UploadMemory } from './upload-memory.ts';

/** Bytes of a JSON body, which has two codes and two lists of slugs. */
const BODY_LIMIT = 8 * 1024;
/** Maximum number of characters of a code. */
const MAX_CODE = 1_024;
/** Maximum number of slugs in a list. */
const MAX_SLUGS = 32;

/** The routes that the Blockpass app calls, in the format of its protocol: errors are `{err, msg}`. */
export function blockpassRoutes(calls: AppCalls, contextOf: ContextOf, { path }: { readonly path: string }) {
  const memory = new UploadMemory();
  return async (app: FastifyInstance): Promise<void> => {
    app.setErrorHandler(replyToApp);
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store');
    });
    // The body stays a stream, because readUpload has its own rules.
    app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null));
    const post = (
      name: string,
      answer: (context: RequestContext, body: Record<string, unknown>) => Promise<unknown>,
    ) =>
      app.post(`${path}/${name}`, { bodyLimit: BODY_LIMIT, config: anyRequestId }, async (request, reply) =>
        reply.send(await answer(contextOf(request, reply), objectOf(request.body))),
      );

    post('status', ({ em, source }, body) => calls.status(em, appRequest(body), source));
    post('login', ({ em, source }, body) => calls.login(em, appRequest(body), source));
    post('register', ({ em, source }, body) => calls.register(em, appRequest(body), source));
    post('resubmit', ({ em, source }, body) => {
      const lists = { fieldList: slugsOf(body, 'fieldList'), certList: slugsOf(body, 'certList') };
      return calls.resubmit(em, { ...appRequest(body), ...lists }, source);
    });

    app.post(
      `${path}/uploadData`,
      { config: { ...anyRequestId, readsBody: true } },
      async (request, reply) => {
        const { em, source } = contextOf(request, reply);
        const account = memory.open();
        let admitted: AdmittedUpload | undefined;
        try {
          await request.withinAge(() => calls.charge(source));
          const { plan, parts } = await readUpload(
            request.raw,
            request.headers,
            account,
            async (uploadToken) => {
              admitted = await request.withinAge(() => calls.admit(em, uploadToken));
              return admitted;
            },
          );
          const answer = request.withinAge(() =>
            calls.receive(em, { admitted: plan, parts, memory: account }, source),
          );
          return reply.send(await answer);
        } catch (error) {
          // The app is told to try again with the same upload token, so the token must be restored. Nothing was stored.
          if (admitted && isUnavailable(error)) await calls.giveBack(em.fork(), admitted).catch(() => {});
          throw error;
        } finally {
          account.close();
        }
      },
    );
  };
}

/** The app sends no request id, even where clients must send one. */
const anyRequestId = { anyRequestId: true };

function replyToApp(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const expected = asGatehouseError(error);
  const status = statusOf(expected ?? error);
  if (status >= 500) request.log.error({ err: error }, 'a call of the Blockpass app failed');
  else request.log.info({ status, detail: expected?.detail }, 'a call of the Blockpass app was refused');
  const retryAfterSeconds = expected?.extensions.retryAfterSeconds;
  if (expected instanceof RateLimited || retryAfterSeconds !== undefined) {
    reply.header('retry-after', String(retryAfterSeconds));
  }
  return reply.code(status).send({ err: status, msg: messageOf(expected ?? error, status) });
}

function statusOf(error: FastifyError | Error): number {
  if (error instanceof UploadTooSlow) return 408;
  if (error instanceof GatehouseError) return HTTP_STATUS[error.code];
  const { statusCode } = error as Partial<FastifyError>;
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : 500;
}

function messageOf(error: Error, status: number): string {
  if (error instanceof BadUserInput) {
    return error.fields.map(({ field, message }) => `${field}: ${message}`).join(' ');
  }
  if (error instanceof GatehouseError) return error.message;
  if (status === 413) return 'The request body is too large.';
  return status < 500 ? 'The request cannot be read.' : 'Internal server error.';
}

const refused = (field: string, message: string) => new BadUserInput([{ field, message }]);

function objectOf(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body))
    return body as Record<string, unknown>;
  throw refused('body', 'This is not a JSON object.');
}

function appRequest({ code, sessionCode }: Record<string, unknown>): AppRequest {
  if (!isCode(code)) throw refused('code', 'It is missing.');
  if (sessionCode == null || sessionCode === '') return { code, sessionCode: null };
  if (!isCode(sessionCode)) throw refused('sessionCode', 'It is not a session code.');
  return { code, sessionCode };
}

const isCode = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_CODE && /^[\x21-\x7e]+$/.test(value);

function slugsOf(body: Record<string, unknown>, field: string): string[] {
  const list = body[field];
  const isList =
    Array.isArray(list) && list.length <= MAX_SLUGS && list.every((item) => typeof item === 'string');
  if (!isList) throw refused(field, 'It is not a list of slugs.');
  return [...new Set(list as string[])];
}
