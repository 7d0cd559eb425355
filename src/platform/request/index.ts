export {
  type AuthorizationRequirement,
  Authorize,
  AuthorizeChange,
  CurrentCaller,
  type Demand,
  RECENT_AUTHENTICATION,
} from './authorize.ts';
export { batched } from './batch.ts';
export type { Caller } from './caller.ts';
export { bareAddress, type ClientNetworks, networkOf, networksOf } from './client-networks.ts';
export type {
  CallerRequest,
  ContextOf,
  CookieAttributes,
  DpopProof,
  PresentedCredentials,
  RequestContext,
  RequestFacts,
} from './context.ts';
export { CookieStyle } from './cookie-style.ts';
export { type FactorLookup, type HeldFactors, reauthenticationMethods } from './held-factors.ts';
export { RECENT_FOR_OWNERS } from './recent-authentication.ts';
export { type Actor, COMMAND_LINE, type RequestSource } from './request-source.ts';
export { RESOLVER_OF, resolverOf } from './resolver-of.ts';
export { describeUserAgent } from './user-agent.ts';
