import type { PersonalData } from '../platform/personal-data.ts';
import type { SessionStore } from './session-store.ts';

/** The sessions of a person, with the place of their last use. */
export const sessionData = (store: SessionStore): PersonalData => ({
  section: 'sessions',
  collect: async (em, userId) =>
    (await store.list(em, userId)).map(
      ({ id, amr, aal, userAgent, ipAddress, createdAt, lastUsedAt, expiresAt }) => ({
        id,
        amr,
        aal,
        userAgent,
        ipAddress,
        createdAt,
        lastUsedAt,
        expiresAt,
      }),
    ),
});
