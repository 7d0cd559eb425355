export type { DeviceServices } from './compose.ts';
export { DeviceCookie } from './device-cookie.ts';
export { deviceKey, forgottenDevices, KnownDevices } from './known-devices.ts';
