import { Authorized, createParameterDecorator } from 'type-graphql';
import type { RequestContext } from './context.ts';
import { RECENT_FOR_ADMINISTRATORS } from './recent-authentication.ts';

/** The conditions of an operation on the calling session. All must hold. */
export interface AuthorizationRequirement {
  /**
   * A permission that some role of the caller must have. Also requires the level `highest` unless `aal` says otherwise.
   */
  readonly permission?: string;
  /**
   * Least authenticator assurance level (NIST SP 800-63B). `highest` is 2 for an account with a second factor, and 1
   * for an account without.
   */
  readonly aal?: 1 | 2 | 'highest';
  /** Requires a recent authentication: at most so many seconds ago. */
  readonly maxAgeSeconds?: number;
  /** Also admits a session that must enrol a second factor before it can do anything else. */
  readonly whileEnrolling?: boolean;
}

/**
 * Checks a requirement outside of the schema, and throws unless the caller meets it. Made in
 * graphql/authorization.ts.
 */
export type Demand = (context: RequestContext, requirement: AuthorizationRequirement) => Promise<unknown>;

/** Requires a signed-in caller who meets the requirement. graphql/authorization.ts checks it. */
export function Authorize(requirement: AuthorizationRequirement = {}) {
  return Authorized<AuthorizationRequirement>([requirement]);
}

/** For changes by administrators: also requires a recent authentication. */
export function AuthorizeChange(permission: string) {
  return Authorize({ permission, maxAgeSeconds: RECENT_FOR_ADMINISTRATORS });
}

/** The sentence about a recent authentication, for the descriptions of the schema. */
export const RECENT_AUTHENTICATION = `Needs a recent authentication: a sign-in or reauthenticate within ${RECENT_FOR_ADMINISTRATORS / 60} minutes.`;

/** Resolver parameter: the verified caller. Use it only together with `Authorize`. */
export function CurrentCaller(): ParameterDecorator {
  return createParameterDecorator<RequestContext>(({ context }) => context.caller) as ParameterDecorator;
}
