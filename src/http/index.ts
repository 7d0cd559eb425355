export { drained } from './drain.ts';
export { type CallerVerification, type RequestContexts, requestContexts } from './request-context.ts';
export { createServer } from './server.ts';
