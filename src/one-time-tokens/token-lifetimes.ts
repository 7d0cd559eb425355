import { TokenPurpose } from './one-time-token.entity.ts';

/** Seconds for which a mailed link is valid. */
export const TOKEN_LIFETIMES: Readonly<Record<TokenPurpose, number>> = {
  [TokenPurpose.CONFIRM_EMAIL]: 24 * 3600,
  [TokenPurpose.RESET_PASSWORD]: 30 * 60,
  [TokenPurpose.CHANGE_EMAIL]: 24 * 3600,
  [TokenPurpose.UNDO_EMAIL_CHANGE]: 72 * 3600,
};

/**
 * Seconds for which a reset link from an administrator is valid. Its reader does not wait for it, unlike a person who
 * has just requested a link. NIST SP 800-63B-4 section 4.2.1.2 allows 24 hours for recovery codes by mail.
 */
export const LIFETIME_OF_ADMINISTRATOR_LINK = 24 * 3600;
