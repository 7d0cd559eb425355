import type { PersonalData } from '../platform/personal-data.ts';
import { GoogleIdentity } from './google-identity.entity.ts';

/** For exportMyData: the linked Google account. */
export const googleData: PersonalData = {
  section: 'googleAccounts',
  async collect(em, userId) {
    const identities = await em.find(GoogleIdentity, { userId });
    return identities.map(({ issuer, subject, linkedAt }) => ({ issuer, subject, linkedAt }));
  },
};
