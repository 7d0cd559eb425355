import type { EntityManager } from '@mikro-orm/postgresql';

/** The factors by which the holder of an account can prove who they are. */
export interface HeldFactors {
  readonly password: boolean;
  /** Arguments of `reauthenticate` for the identity providers whose identities the account has. */
  readonly identityProofs: readonly string[];
  readonly secondFactor: boolean;
}

/** Looks up the factors of an account. Implemented in passwords/account-factors.ts. */
export interface FactorLookup {
  of(em: EntityManager, userId: string): Promise<HeldFactors>;
}

/** The arguments of `reauthenticate` that help, for the extensions of REAUTHENTICATION_REQUIRED. */
export const reauthenticationMethods = (
  { password, identityProofs, secondFactor }: HeldFactors,
  { tooWeak }: { /** Only a second factor helps. */ tooWeak: boolean },
): string[] => [
  ...(password && !tooWeak ? ['password'] : []),
  ...(tooWeak ? [] : identityProofs),
  ...(secondFactor ? ['securityCode', 'recoveryCode'] : []),
];
