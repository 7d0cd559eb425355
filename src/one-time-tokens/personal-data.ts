import type { PersonalData } from '../platform/personal-data.ts';
import { OneTimeToken } from './one-time-token.entity.ts';

/** Mailed links that are still valid: their purpose, address and expiry. */
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
  /** Deletes the tokens. They have no foreign key, since they refer to accounts and to pending registrations. */
  async erase(tx, userId) {
    await tx.nativeDelete(OneTimeToken, { userId });
  },
};
