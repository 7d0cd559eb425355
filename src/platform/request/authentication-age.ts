/** Seconds after an authentication in which an administrator may make changes. */
export const RECENT_FOR_ADMINISTRATORS = 900;

/**
 * Seconds after an authentication in which owners may export their data or link an identity, and in which a sign-in
 * replaces the password of an account without one.
 */
export const RECENT_FOR_OWNERS = 300;
