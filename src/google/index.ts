export { expiredGoogleFlowTokens } from './google-flow-tokens.ts';
