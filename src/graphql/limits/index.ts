export { costLimit } from './cost-limit.ts';
export { documentLimits, MAX_TOKENS, MAX_VALIDATION_ERRORS } from './document-limits.ts';
