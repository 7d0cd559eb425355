import type { NoticeTexts } from '../platform/module-type.ts';

/** The notices to owners. */
export const SIGN_IN_NOTICES = {
  'right-password-wrong-code': {
    subject: 'A sign-in to your account stopped at the second step',
    what: 'Somebody gave the right password of your account and then a wrong security code. If it was not you, your password is known to somebody else.',
  },
} as const satisfies NoticeTexts;
