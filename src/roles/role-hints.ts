import { nearest } from '../platform/edit-distance.ts';
import type { Hints } from '../platform/hints.ts';
import { SUPERUSER } from './last-superuser.ts';
import { isRoleName } from './role-validation.ts';

/** Maximum number of edits between a misspelt role or permission and the one that was meant. */
const MAX_EDITS = { role: 2, permission: 1 };

/**
 * Makes hints about misspelt names that permit or protect nothing. One is a permission that is one edit away from a
 * permission of the gateway. The other is a role in SECOND_FACTOR_REQUIRED_FOR that does not exist. Neither is refused:
 * a service may have such a permission, and a role may be created later.
 * @returns a function to call with the roles after each read
 */
export function roleHints(hints: Hints, known: readonly string[], requiredFor: 'all' | readonly string[]) {
  return (roles: Iterable<readonly [name: string, permissions: ReadonlySet<string>]>): void => {
    // The first superuser creates this role.
    const names = new Set<string>([SUPERUSER]);
    for (const [role, permissions] of roles) {
      names.add(role);
      for (const word of permissions) {
        const meant = known.includes(word) ? undefined : nearest(word, known, MAX_EDITS.permission);
        if (meant === undefined) continue;
        hints.once('permission', `${role} ${word}`, () => ({
          message: `The role ${role} has the permission ${word}, which the gateway does not know: did you mean ${meant}?`,
        }));
      }
    }
    for (const role of requiredFor === 'all' ? [] : requiredFor) {
      if (names.has(role)) continue;
      const meant = nearest(role, names, MAX_EDITS.role);
      hints.once('role', role, () => ({
        message: `SECOND_FACTOR_REQUIRED_FOR names ${isRoleName(role) ? `the role ${role}` : 'a role'}, which does not exist${meant === undefined ? '' : `: did you mean ${meant}?`}`,
      }));
    }
  };
}
