import type { NoticeTexts } from '../platform/module-type.ts';

/** The notices to owners. */
export const DEVICE_NOTICES = {
  'new-device': {
    subject: 'New sign-in to your account',
    what: 'Somebody signed in to your account with a device that it has not seen before.',
  },
} as const satisfies NoticeTexts;
