/**
 * Seconds after an authentication in which it is recent enough for changes by administrators. They count from
 * `auth_time`, which a sign-in and `reauthenticate` set (`max_age`: RFC 9470 section 3).
 */
export const RECENT_FOR_ADMINISTRATORS = 900;

/**
 * The same for owners who export their data or link an identity, and where it replaces the password of an account
 * without one.
 */
export const RECENT_FOR_OWNERS = 300;
