export { type AuthorizationRequirement, Authorize, CurrentCaller } from './authorize.ts';
export type { Caller } from './caller.ts';
export { bareAddress, networkOf } from './client-address.ts';
export type { CookieAttributes, PresentedCredentials, RequestContext } from './context.ts';
export { COMMAND_LINE, type RequestOrigin } from './origin.ts';
