import type { NoticeTexts } from '../platform/module-type.ts';

/** The notices to owners. */
export const REFRESH_NOTICES = {
  'refresh-reuse': {
    subject: 'A sign-in of your account was ended',
    what: 'A token of one of your signed-in devices was used twice, which a copy of it would explain. That device was signed out; the others were not.',
  },
  'refresh-repeated': {
    subject: 'A sign-in of your account was renewed from two places',
    what: 'One of your signed-in devices renewed its sign-in, and soon after the same sign-in was renewed again, from another network, by another browser, or much later. A phone that moves between networks, or a bad connection, can cause that. So can a copy of your sign-in.',
  },
  'refresh-refused': {
    subject: 'An old sign-in of your account was refused',
    what: 'Somebody tried to renew one of your sign-ins with a token that had been replaced. The attempt was refused. Your own device may have made it after a long time without a connection; then sign in again there.',
  },
} as const satisfies NoticeTexts;
