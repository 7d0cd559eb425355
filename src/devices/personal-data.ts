import type { PersonalData } from '../platform/personal-data.ts';
import { KnownDevice } from './known-device.entity.ts';

/** For exportMyData: the kinds of browser with which a person signed in, without the marks that identify devices. */
export const deviceData: PersonalData = {
  section: 'knownDevices',
  async collect(em, userId) {
    const devices = await em.find(KnownDevice, { userId }, { orderBy: { lastSeenAt: 'desc' } });
    return devices.map(({ agent, firstSeenAt, lastSeenAt }) => ({ agent, firstSeenAt, lastSeenAt }));
  },
};
