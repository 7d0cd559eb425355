import { ALL_RIGHTS, type Module } from '../platform/module-type.ts';
import { KnownDevice } from './known-device.entity.ts';

/** Devices from which somebody signed in before. */
export const devices = {
  name: 'devices',
  tables: {
    known_device: { entity: KnownDevice, rights: ALL_RIGHTS },
  },
} satisfies Module;
