import type { NoticeTexts } from '../platform/module-type.ts';

/** The notices to owners. */
export const PASSWORD_NOTICES = {
  'password-changed': {
    subject: 'Your password was changed',
    what: 'The password of your account was changed. Every other device was signed out.',
  },
} as const satisfies NoticeTexts;
