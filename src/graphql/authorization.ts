import type { Clock } from '../platform/clock.ts';
import { Forbidden, ReauthenticationRequired, Unauthenticated } from '../platform/errors.ts';
import {
  type AuthorizationRequirement,
  type Caller,
  type FactorLookup,
  type HeldFactors,
  type RequestContext,
  reauthenticationMethods,
} from '../platform/request/index.ts';

export type AuthorizationChecker = (
  context: RequestContext,
  requirements: readonly AuthorizationRequirement[],
) => Promise<true>;

/** The permissions of roles, such as those of roles/permission-table.ts. */
export interface Permissions {
  permits(roles: readonly string[], permission: string): boolean;
}

/**
 * Checks `Authorize`. Throws instead of returning false, so that a client learns what it lacks.
 * Permission is checked before strength: a caller without permission is not asked to authenticate again. A session that
 * must enrol a second factor is refused before both: it has no roles, and the error says why.
 */
export function authorizationChecker(
  permissions: Permissions,
  factors: FactorLookup,
  clock: Clock,
): AuthorizationChecker {
  return async (context, requirements) => {
    const caller = await context.authenticate();
    if (!caller) throw context.proofProblem ?? new Unauthenticated();
    for (const requirement of requirements) {
      if (caller.enrolmentRequired && !requirement.whileEnrolling) throw enrolmentRequired();
      const { permission } = requirement;
      if (permission !== undefined && !permissions.permits(caller.roles, permission)) {
        throw new Forbidden(`needs ${permission}`);
      }
      // For administrators, reading is as sensitive as changing.
      const strength = permission === undefined ? requirement : { aal: 'highest' as const, ...requirement };
      await checkStrength(caller, strength, () => factors.of(context.em, caller.userId), clock);
    }
    return true;
  };
}

/** Reads the factors of the account only when the session may be too old or too weak. */
async function checkStrength(
  caller: Caller,
  { aal, maxAgeSeconds }: AuthorizationRequirement,
  has: () => Promise<HeldFactors>,
  clock: Clock,
): Promise<void> {
  const tooOld = maxAgeSeconds !== undefined && clock.now() / 1000 - caller.authenticatedAt > maxAgeSeconds;
  const mayBeTooWeak = aal !== undefined && caller.aal < (aal === 'highest' ? 2 : aal);
  if (!tooOld && !mayBeTooWeak) return;

  const held = await has();
  const { secondFactor } = held;
  const needed = aal === 'highest' ? (secondFactor ? 2 : 1) : (aal ?? null);
  const tooWeak = needed !== null && caller.aal < needed;
  if (!tooOld && !tooWeak) return;
  if (tooWeak && !secondFactor) throw enrolmentRequired(maxAgeSeconds);
  throw new ReauthenticationRequired({
    requiredAal: needed,
    maxAgeSeconds: maxAgeSeconds ?? null,
    methods: reauthenticationMethods(held, { tooWeak }),
    enrolmentRequired: false,
  });
}

/** Made when only a second factor helps and the account has none. */
const enrolmentRequired = (maxAgeSeconds?: number): ReauthenticationRequired =>
  new ReauthenticationRequired({
    requiredAal: 2,
    maxAgeSeconds: maxAgeSeconds ?? null,
    methods: [],
    enrolmentRequired: true,
  });
