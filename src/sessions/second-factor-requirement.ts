import type { Subject } from './subject.ts';

/** SECOND_FACTOR_REQUIRED_FOR: names of roles, or everybody. */
export type RequiredFor = 'all' | readonly string[];

/**
 * Who must have a second factor. Until they do, their sessions can do nothing but enrol one: that is decided with
 * every token that is issued, from roles and factor as they are then, and again with every token that is presented,
 * for those that were issued under another setting.
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
