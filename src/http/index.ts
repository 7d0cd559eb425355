export type { Probe } from './health.routes.ts';
export type { CallerVerification } from './request-context.ts';
export { createServer, type ServerOptions } from './server.ts';
