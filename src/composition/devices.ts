import { DeviceCookie, deviceData, forgottenDevices, KnownDevices } from '../devices/index.ts';
import type { Part } from './part.ts';
import type { Platform } from './platform.ts';

export type Devices = ReturnType<typeof composeDevices>;

/** The browsers that accounts know. */
export function composeDevices({ notices, secure }: Platform) {
  return {
    devices: new KnownDevices(notices),
    deviceCookie: new DeviceCookie({ secure }),
    personalData: [deviceData],
    chores: [forgottenDevices],
  } satisfies Part & Record<string, unknown>;
}
