import type { PersonalData } from '../platform/personal-data.ts';
import { OneTimeToken } from './one-time-token.entity.ts';

/** Mailed links that are still good: what for, to which address, until when. */
export const mailedLinkData: PersonalData = {
  section: 'mailedLinks',
  collect: async (em, userId) => {
    const tokens = await em.find(OneTimeToken, { userId, expiresAt: { $gt: new Date() } });
    return tokens.map(({ purpose, address, createdAt, expiresAt }) => ({
      purpose,
      address,
      createdAt,
      expiresAt,
    }));
  },
  /** They refer to accounts and to pending registrations, hence by no foreign key. */
  async erase(tx, userId) {
    await tx.nativeDelete(OneTimeToken, { userId });
  },
};
