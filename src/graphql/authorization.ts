import type { Clock } from '../platform/clock.ts';
import { Forbidden, ReauthenticationRequired, Unauthenticated } from '../platform/errors.ts';
import type { AuthorizationRequirement, Caller, RequestContext } from '../platform/request/index.ts';

export type AuthorizationChecker = (
  context: RequestContext,
  requirements: readonly AuthorizationRequirement[],
) => Promise<true>;

/** What is permitted to roles; roles/permission-table.ts is one. */
export interface Permissions {
  permits(roles: readonly string[], permission: string): boolean;
}

/**
 * Judges `Authorize`. Throws rather than returns false, so that a client learns what is missing.
 * Permission comes before strength: nobody is asked to prove themselves for what they may not do anyway.
 */
export function authorizationChecker(permissions: Permissions, clock: Clock): AuthorizationChecker {
  return async (context, requirements) => {
    const caller = await context.authenticate();
    if (!caller) throw new Unauthenticated();
    for (const requirement of requirements) check(caller, requirement, permissions, clock);
    return true;
  };
}

function check(
  caller: Caller,
  { permission, aal, maxAgeSeconds }: AuthorizationRequirement,
  permissions: Permissions,
  clock: Clock,
): void {
  if (permission !== undefined && !permissions.permits(caller.roles, permission)) {
    throw new Forbidden(`needs ${permission}`);
  }
  const age = clock.now() / 1000 - caller.authenticatedAt;
  const tooOld = maxAgeSeconds !== undefined && age > maxAgeSeconds;
  const tooWeak = aal !== undefined && caller.aal < aal;
  if (!tooOld && !tooWeak) return;
  throw new ReauthenticationRequired({
    requiredAal: aal ?? null,
    maxAgeSeconds: maxAgeSeconds ?? null,
    methods: ['password'],
    enrolmentRequired: false,
  });
}
