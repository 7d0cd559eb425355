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

/** What is permitted to roles; roles/permission-table.ts is one. */
export interface Permissions {
  permits(roles: readonly string[], permission: string): boolean;
}

/**
 * Judges `Authorize`. Throws rather than returns false, so that a client learns what is missing.
 * Permission comes before strength: nobody is asked to prove themselves for what they may not do anyway. A session that
 * must enrol a second factor comes before both: it has no roles, and is told why.
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
      // What administrators see is worth as much as what they change.
      const strength = permission === undefined ? requirement : { aal: 'highest' as const, ...requirement };
      await checkStrength(caller, strength, () => factors.of(context.em, caller.userId), clock);
    }
    return true;
  };
}

/** What the account has is looked up only for a session that is not beyond question. */
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

/** Only a second factor helps, and there is none yet. */
const enrolmentRequired = (maxAgeSeconds?: number): ReauthenticationRequired =>
  new ReauthenticationRequired({
    requiredAal: 2,
    maxAgeSeconds: maxAgeSeconds ?? null,
    methods: [],
    enrolmentRequired: true,
  });
