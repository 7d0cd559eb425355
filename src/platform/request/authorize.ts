import { Authorized, createParameterDecorator } from 'type-graphql';
import type { RequestContext } from './context.ts';

/** What an operation asks of the session that calls it. All of it must hold. */
export interface AuthorizationRequirement {
  /** Some role of the caller must permit this. Asks for the level `highest` unless `aal` says otherwise. */
  readonly permission?: string;
  /**
   * Authenticator assurance level at least (NIST SP 800-63B); `highest`: 2 where the account has a second factor, so that
   * nobody is kept out who has none.
   */
  readonly aal?: 1 | 2 | 'highest';
  /** Seconds since the holder last proved who they are, at most. */
  readonly maxAgeSeconds?: number;
  /** Also for a session that must enrol a second factor before it can do anything else. */
  readonly whileEnrolling?: boolean;
}

/** Judges a requirement outside of the schema. Throws unless the caller meets it; graphql/authorization.ts makes one. */
export type Demand = (context: RequestContext, requirement: AuthorizationRequirement) => Promise<unknown>;

/** Seconds: how long after proving who they are an administrator may change things. */
const RECENT_AUTHENTICATION = 900;

/** The operation needs a signed-in caller, and whatever else is asked; checked by graphql/authorization.ts. */
export function Authorize(requirement: AuthorizationRequirement = {}) {
  return Authorized<AuthorizationRequirement>([requirement]);
}

/** For what administrators change: beside that they must have proved lately who they are. */
export function AuthorizeChange(permission: string) {
  return Authorize({ permission, maxAgeSeconds: RECENT_AUTHENTICATION });
}

/** What their descriptions in the schema say of it. */
export const RECENT_PROOF = `Needs a proof within ${RECENT_AUTHENTICATION / 60} minutes (a sign-in, or reauthenticate).`;

/** Parameter of a resolver: the verified caller. Only together with `Authorize`. */
export function CurrentCaller(): ParameterDecorator {
  return createParameterDecorator<RequestContext>(({ context }) => context.caller) as ParameterDecorator;
}
