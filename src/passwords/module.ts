import { ALL_RIGHTS, type Module } from '../platform/module-type.ts';
import { OWNER_PROOF_RULES } from './owner-proof.ts';
import { PasswordResolver } from './password.resolver.ts';
import { PasswordCredential } from './password-credential.entity.ts';

/** Passwords. */
export const passwords: Module = {
  name: 'passwords',
  tables: {
    password_credential: { entity: PasswordCredential, rights: ALL_RIGHTS },
  },
  resolvers: [PasswordResolver],
  rateLimits: { ...OWNER_PROOF_RULES },
};
