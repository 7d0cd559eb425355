import type { MailContent } from './layout.ts';

/** Where and when something happened, as the owner is told. */
export interface NoticeFacts {
  readonly at: Date;
  readonly ipAddress: string | null;
}

/** What an owner hears of, by what happened to the account. */
const NOTICES = {
  'new-device': {
    subject: 'New sign-in to your account',
    what: 'Somebody signed in to your account with a device that it has not seen before.',
  },
  'right-password-wrong-code': {
    subject: 'A sign-in to your account stopped at the second step',
    what: 'Somebody gave the right password of your account and then a wrong security code. If it was not you, your password is known to somebody else.',
  },
  'password-changed': {
    subject: 'Your password was changed',
    what: 'The password of your account was changed. Every other device was signed out.',
  },
  'password-reset': {
    subject: 'Your password was reset',
    what: 'A new password was set for your account by a mailed link. Every device was signed out.',
  },
  'password-reset-identities-stay': {
    subject: 'Your password was reset',
    what: 'A new password was set for your account by a mailed link. Every device was signed out. A Google account or a Blockpass identity is linked to your account and can still sign in. Unlink a Google account that is not yours; about a Blockpass identity that is not yours, tell whoever runs this service.',
  },
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
  'factor-enabled': {
    subject: 'Two-step sign-in was turned on',
    what: 'Your account now asks for a security code after the password. Every other device was signed out.',
  },
  'factor-disabled': {
    subject: 'Two-step sign-in was turned off',
    what: 'Your account no longer asks for a security code after the password.',
  },
  'factor-removed': {
    subject: 'Two-step sign-in was removed',
    what: 'An administrator removed the second step of your sign-in with its recovery codes. Every device was signed out.',
  },
  'factor-removed-by-undo': {
    subject: 'Two-step sign-in was turned off',
    what: 'Undoing the change of your e-mail address also turned two-step sign-in off, because it was turned on shortly before the change or after it. If it was yours, turn it on again.',
  },
  'recovery-codes-removed-by-undo': {
    subject: 'Your recovery codes were removed',
    what: 'Undoing the change of your e-mail address also removed your recovery codes, because they were made shortly before the change or after it. Two-step sign-in stays on. Sign in with your authenticator app and make new codes.',
  },
  'recovery-code-used': {
    subject: 'A recovery code was used',
    what: 'Somebody used one of the recovery codes of your account; it cannot be used again.',
  },
  'recovery-codes-replaced': {
    subject: 'Your recovery codes were replaced',
    what: 'Your account has new recovery codes; the former ones no longer work.',
  },
  'account-deactivated': {
    subject: 'Your account was deactivated',
    what: 'Your account was deactivated and every device signed out. To come back, set a new password.',
  },
  'google-linked': {
    subject: 'A Google account was linked',
    what: 'A Google account can now sign in to your account. A new password does not change that: if it is not yours, unlink it.',
  },
  'google-unlinked': {
    subject: 'A Google account was unlinked',
    what: 'The Google account that could sign in to your account no longer can.',
  },
  'blockpass-linked': {
    subject: 'A Blockpass identity was linked',
    what: 'A Blockpass identity can now sign in to your account.',
  },
} as const satisfies Record<string, { subject: string; what: string }>;

export type NoticeKind = keyof typeof NOTICES;

/** `2026-11-28 16:57 UTC`. */
export const minuteOf = (time: Date): string => `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

export function notice(kind: NoticeKind, { at, ipAddress }: NoticeFacts, productName: string): MailContent {
  const { subject, what } = NOTICES[kind];
  const when = minuteOf(at);
  return {
    subject: `${subject} (${productName})`,
    paragraphs: [
      what,
      ipAddress === null ? `Time: ${when}.` : `Time: ${when}. Network address: ${ipAddress}.`,
    ],
    smallPrint: ['If it was not you, set a new password now and look through your sessions.'],
  };
}
