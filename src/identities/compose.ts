import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import { expiredLinkChallenges, LinkChallenges } from './link-challenges.ts';
import { LinkedIdentities } from './linked-identities.ts';

export type IdentityServices = ServicesOf<typeof composeIdentities>;

export function composeIdentities({ platform: { contributions } }: { platform: PlatformServices }) {
  const providers = contributions.of('identityProviders');
  const linkChallenges = new LinkChallenges(providers);
  return {
    services: {
      providers,
      linkChallenges,
      linkedIdentities: new LinkedIdentities(providers, linkChallenges),
    },
    chores: [expiredLinkChallenges],
  } satisfies Composed;
}
