import { ALL_RIGHTS, type Module } from '../platform/module-type.ts';
import { composeDevices } from './compose.ts';
import { KnownDevice } from './known-device.entity.ts';
import { DEVICE_NOTICES } from './notices.ts';

/** Devices from which a person signed in to an account before. */
export const devices = {
  name: 'devices',
  tables: {
    known_device: { entity: KnownDevice, rights: ALL_RIGHTS },
  },
  notices: DEVICE_NOTICES,
  compose: composeDevices,
} as const satisfies Module;
