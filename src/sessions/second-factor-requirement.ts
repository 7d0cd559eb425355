import type { Subject } from './subject.ts';

/** SECOND_FACTOR_REQUIRED_FOR: names of roles, or all accounts. */
export type RequiredFor = 'all' | readonly string[];

/**
 * Decides which accounts must have a second factor. Until then, their sessions can only enrol a factor. This is
 * decided when a token is issued, from the current roles and factor. It is decided again when a token is presented, for
 * tokens that were issued under another setting.
 */
export class SecondFactorRequirement {
  constructor(private readonly requiredFor: RequiredFor) {}

  coversRoles(roles: readonly string[]): boolean {
    const { requiredFor } = this;
    return requiredFor === 'all' || roles.some((role) => requiredFor.includes(role));
  }

  mustEnrol({ roles, secondFactor }: Subject): boolean {
    return !secondFactor && this.coversRoles(roles);
  }
}
