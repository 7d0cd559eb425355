import { type Module, NO_UPDATE } from '../platform/module-type.ts';
import { composeOneTimeTokens } from './compose.ts';
import { OneTimeToken } from './one-time-token.entity.ts';

/** The tokens of mailed links. */
export const oneTimeTokens = {
  name: 'one-time-tokens',
  tables: {
    one_time_token: { entity: OneTimeToken, rights: NO_UPDATE },
  },
  compose: composeOneTimeTokens,
} as const satisfies Module;
