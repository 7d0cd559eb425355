export type {
  IdentityProof,
  IdentityProver,
  IdentityProvider,
  ProvidedIdentity,
} from './identity-provider.ts';
export { expiredLinkChallenges, type IssuedLinkChallenge, LinkChallenges } from './link-challenges.ts';
export { LinkedIdentities } from './linked-identities.ts';
