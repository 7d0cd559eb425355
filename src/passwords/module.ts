import { ALL_RIGHTS, type Module } from '../platform/module-type.ts';
import { composePasswords } from './compose.ts';
import { CURRENT_PASSWORD_RULES } from './current-password-check.ts';
import { hashQueueLength, hashSeconds } from './metrics.ts';
import { PASSWORD_NOTICES } from './notices.ts';
import { PasswordResolver } from './password.resolver.ts';
import { PasswordCredential } from './password-credential.entity.ts';
import { PASSWORD_SETTINGS } from './settings.ts';

/** Passwords. */
export const passwords = {
  name: 'passwords',
  metrics: [hashQueueLength, hashSeconds],
  tables: {
    password_credential: { entity: PasswordCredential, rights: ALL_RIGHTS },
  },
  resolvers: [PasswordResolver],
  rateLimits: { ...CURRENT_PASSWORD_RULES },
  settings: [PASSWORD_SETTINGS],
  notices: PASSWORD_NOTICES,
  compose: composePasswords,
} as const satisfies Module;
