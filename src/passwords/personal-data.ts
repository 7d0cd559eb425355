import type { PersonalData } from '../platform/personal-data.ts';
import { PasswordCredential } from './password-credential.entity.ts';

/** Whether the account has a password, and since when; null without one. */
export const passwordData: PersonalData = {
  section: 'password',
  collect: async (em, userId) => {
    const credential = await em.findOne(PasswordCredential, { userId }, { disableIdentityMap: true });
    return credential && { changedAt: credential.changedAt };
  },
};
