import type { PersonalData } from '../platform/personal-data.ts';
import { KnownDevice } from './known-device.entity.ts';

/** For exportMyData: from what kinds of browser a person has signed in; not the marks that tell devices apart. */
export const deviceData: PersonalData = {
  section: 'knownDevices',
  async collect(em, userId) {
    const devices = await em.find(KnownDevice, { userId }, { orderBy: { lastSeenAt: 'desc' } });
    return devices.map(({ agent, firstSeenAt, lastSeenAt }) => ({ agent, firstSeenAt, lastSeenAt }));
  },
};
