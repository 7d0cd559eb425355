export type { Probe } from './health.routes.ts';
export { type CallerVerification, type RequestContexts, requestContexts } from './request-context.ts';
export { createServer, type ServerOptions } from './server.ts';
export { SOCKET_RULES } from './subscription-socket.ts';
