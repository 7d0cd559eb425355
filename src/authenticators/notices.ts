import type { NoticeTexts } from '../platform/module-type.ts';

/** The notices to owners. */
export const SECOND_FACTOR_NOTICES = {
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
  'recovery-code-used': {
    subject: 'A recovery code was used',
    what: 'Somebody used one of the recovery codes of your account; it cannot be used again.',
  },
  'recovery-codes-replaced': {
    subject: 'Your recovery codes were replaced',
    what: 'Your account has new recovery codes; the former ones no longer work.',
  },
} as const satisfies NoticeTexts;
