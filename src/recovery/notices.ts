import type { NoticeTexts } from '../platform/module-type.ts';

/** The notices to owners. */
export const RECOVERY_NOTICES = {
  'password-reset': {
    subject: 'Your password was reset',
    what: 'A new password was set for your account by a mailed link. Every device was signed out.',
  },
  'password-reset-identities-stay': {
    subject: 'Your password was reset',
    what: 'A new password was set for your account by a mailed link. Every device was signed out. An account of another provider is linked to your account and can still sign in. If it is not yours, unlink it. If you cannot unlink it, tell the people who run this service.',
  },
  'factor-removed-by-undo': {
    subject: 'Two-step sign-in was turned off',
    what: 'Undoing the change of your e-mail address also turned two-step sign-in off, because it was turned on shortly before the change or after it. If it was yours, turn it on again.',
  },
  'recovery-codes-removed-by-undo': {
    subject: 'Your recovery codes were removed',
    what: 'Undoing the change of your e-mail address also removed your recovery codes, because they were made shortly before the change or after it. Two-step sign-in stays on. Sign in with your authenticator app and make new codes.',
  },
} as const satisfies NoticeTexts;
