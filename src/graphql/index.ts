export { authorizationChecker } from './authorization.ts';
export { buildSchema, type ResolverClasses } from './build-schema.ts';
export { ErrorCodesResolver } from './error-codes.resolver.ts';
export { asGatehouseError, formatError } from './format-error.ts';
export { costLimit, documentLimits, MAX_TOKENS, MAX_VALIDATION_ERRORS } from './limits/index.ts';
export { oneSessionPerDocument } from './one-session-per-document.ts';
export { refusalAudit } from './refusal-audit.ts';
export { type FailureLog, replyPlugin } from './reply-plugin.ts';
export { subscribeInTime } from './subscribe-in-time.ts';
