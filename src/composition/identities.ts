import { BlockpassIdentities } from '../blockpass/index.ts';
import { GoogleIdentities } from '../google/index.ts';
import { expiredLinkChallenges, LinkChallenges, LinkedIdentities } from '../identities/index.ts';
import type { Part } from './part.ts';
import type { Platform } from './platform.ts';

export type Identities = ReturnType<typeof composeIdentities>;

/** What accounts have at other providers: a sign-in joins them before the providers' own parts exist. */
export function composeIdentities({ config, audit, notices }: Platform) {
  const googleIdentities = new GoogleIdentities(config.google !== undefined, notices, audit);
  const blockpassIdentities = new BlockpassIdentities(config.blockpass.enabled);
  const providers = [googleIdentities, blockpassIdentities];
  const linkChallenges = new LinkChallenges(providers);
  return {
    googleIdentities,
    blockpassIdentities,
    linkChallenges,
    linkedIdentities: new LinkedIdentities(providers, linkChallenges),
    chores: [expiredLinkChallenges],
  } satisfies Part & Record<string, unknown>;
}
