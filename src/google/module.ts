import { ALL_RIGHTS, type Module, NO_UPDATE } from '../platform/module-type.ts';
import { GoogleResolver } from './google.resolver.ts';
import { GoogleIdentity } from './google-identity.entity.ts';
import { GOOGLE_RULES } from './google-sign-in.ts';
import { GoogleTicket } from './google-ticket.entity.ts';

/** Sign-in by Google. */
export const google: Module = {
  name: 'google',
  tables: {
    google_identity: { entity: GoogleIdentity, rights: ALL_RIGHTS },
    google_ticket: { entity: GoogleTicket, rights: NO_UPDATE },
  },
  resolvers: [GoogleResolver],
  rateLimits: { ...GOOGLE_RULES },
};
