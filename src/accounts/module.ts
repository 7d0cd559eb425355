import { ALL_RIGHTS, type Module, NO_UPDATE } from '../platform/module-type.ts';
import { AccountResolver } from './account.resolver.ts';
import { AccountEndResolver } from './account-end.resolver.ts';
import { composeAccounts } from './compose.ts';
import { DATA_EXPORT_RULES } from './data-export.ts';
import { EmailResolver } from './email.resolver.ts';
import { EMAIL_CHANGE_RULES } from './email-change.ts';
import { CONFIRMATION_RULES } from './email-confirmation.ts';
import { RECIPIENT_RULES } from './email-ownership.ts';
import { registrations } from './metrics.ts';
import { ACCOUNT_NOTICES } from './notices.ts';
import { PendingRegistration } from './pending-registration.entity.ts';
import { PROFILE_RULES } from './profile.ts';
import { REGISTRANT_PROOF_RULES } from './registrant-proof.ts';
import { REGISTRATION_RULES } from './registration.ts';
import { RegistrationMark } from './registration-mark.entity.ts';
import { ACCOUNT_SETTINGS } from './settings.ts';
import { User } from './user.entity.ts';

/** Accounts and their addresses. */
export const accounts = {
  name: 'accounts',
  metrics: [registrations],
  tables: {
    users: { entity: User, rights: ALL_RIGHTS },
    pending_registration: { entity: PendingRegistration, rights: ALL_RIGHTS },
    registration_mark: { entity: RegistrationMark, rights: NO_UPDATE },
  },
  resolvers: [AccountResolver, AccountEndResolver, EmailResolver],
  rateLimits: {
    ...REGISTRATION_RULES,
    ...RECIPIENT_RULES,
    ...CONFIRMATION_RULES,
    ...REGISTRANT_PROOF_RULES,
    ...EMAIL_CHANGE_RULES,
    ...DATA_EXPORT_RULES,
    ...PROFILE_RULES,
  },
  settings: [ACCOUNT_SETTINGS],
  notices: ACCOUNT_NOTICES,
  compose: composeAccounts,
} as const satisfies Module;
