import { type Module, NO_UPDATE } from '../platform/module-type.ts';
import { composeIdentities } from './compose.ts';
import { LinkChallenge } from './link-challenge.entity.ts';

/** What identity providers share. */
export const identities = {
  name: 'identities',
  tables: {
    link_challenge: { entity: LinkChallenge, rights: NO_UPDATE },
  },
  compose: composeIdentities,
} as const satisfies Module;
