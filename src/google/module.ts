import { ALL_RIGHTS, type Module, NO_UPDATE } from '../platform/module-type.ts';
import { GOOGLE_CHECKS } from './checks.ts';
import { composeGoogle } from './compose.ts';
import { GoogleResolver } from './google.resolver.ts';
import { GoogleFlowToken } from './google-flow-token.entity.ts';
import { GoogleIdentity } from './google-identity.entity.ts';
import { GOOGLE_RULES } from './google-sign-in.ts';
import { GOOGLE_NOTICES } from './provider.ts';
import { GOOGLE_SETTINGS } from './settings.ts';

/** Sign-in by Google. */
export const google = {
  name: 'google',
  tables: {
    google_identity: { entity: GoogleIdentity, rights: ALL_RIGHTS },
    google_ticket: { entity: GoogleFlowToken, rights: NO_UPDATE },
  },
  resolvers: [GoogleResolver],
  rateLimits: { ...GOOGLE_RULES },
  settings: [GOOGLE_SETTINGS],
  notices: GOOGLE_NOTICES,
  checks: GOOGLE_CHECKS,
  compose: composeGoogle,
} as const satisfies Module;
