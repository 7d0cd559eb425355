import type { NoticeTexts } from '../platform/module-type.ts';

/** The notices to owners. */
export const ACCOUNT_NOTICES = {
  'account-deactivated': {
    subject: 'Your account was deactivated',
    what: 'Your account was deactivated and every device signed out. To come back, set a new password.',
  },
} as const satisfies NoticeTexts;
