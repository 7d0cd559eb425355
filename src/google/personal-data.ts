import type { PersonalData } from '../platform/personal-data.ts';
import { GoogleIdentity } from './google-identity.entity.ts';

/** For exportMyData: the Google account that is linked. */
export const googleData: PersonalData = {
  section: 'googleAccounts',
  async collect(em, userId) {
    const identities = await em.find(GoogleIdentity, { userId });
    return identities.map(({ issuer, subject, linkedAt }) => ({ issuer, subject, linkedAt }));
  },
};
