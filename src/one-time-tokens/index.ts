export type { OneTimeTokenServices } from './compose.ts';
export { TokenPurpose } from './one-time-token.entity.ts';
export { expiredTokens, OneTimeTokens, type TokenBinding } from './one-time-tokens.ts';
export { LIFETIME_OF_ADMINISTRATOR_LINK } from './token-lifetimes.ts';
