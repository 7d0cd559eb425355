import { ALL_RIGHTS, type Module } from '../platform/module-type.ts';
import { CURRENT_PASSWORD_RULES } from './current-password-check.ts';
import { PasswordResolver } from './password.resolver.ts';
import { PasswordCredential } from './password-credential.entity.ts';

/** Passwords. */
export const passwords: Module = {
  name: 'passwords',
  tables: {
    password_credential: { entity: PasswordCredential, rights: ALL_RIGHTS },
  },
  resolvers: [PasswordResolver],
  rateLimits: { ...CURRENT_PASSWORD_RULES },
};
