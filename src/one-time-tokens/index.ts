export type { OneTimeTokenServices } from './compose.ts';
export { TokenPurpose } from './one-time-token.entity.ts';
export { expiredTokens, OneTimeTokens, type TokenBinding } from './one-time-tokens.ts';
