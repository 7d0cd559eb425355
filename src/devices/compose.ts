import type { NoticeServices } from '../notices/index.ts';
import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import { DeviceCookie } from './device-cookie.ts';
import { forgottenDevices, KnownDevices } from './known-devices.ts';
import { deviceData } from './personal-data.ts';

export type DeviceServices = ServicesOf<typeof composeDevices>;

export function composeDevices({
  platform: { secure },
  notices: { notices },
}: {
  platform: PlatformServices;
  notices: NoticeServices;
}) {
  return {
    services: { devices: new KnownDevices(notices), deviceCookie: new DeviceCookie({ secure }) },
    personalData: [deviceData],
    chores: [forgottenDevices],
  } satisfies Composed;
}
