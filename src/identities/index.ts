export type { IdentityServices } from './compose.ts';
export type {
  IdentityProof,
  IdentityProver,
  IdentityProvider,
  ProofArgument,
  ProvidedIdentities,
  ProvidedIdentity,
  ProviderNames,
} from './identity-provider.ts';
export { expiredLinkChallenges, type IssuedLinkChallenge, LinkChallenges } from './link-challenges.ts';
export { LinkedIdentities } from './linked-identities.ts';
