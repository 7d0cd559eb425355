/**
 * Seconds after an authentication in which it is recent enough for changes by administrators. They count from
 * `auth_time`, which a sign-in and `reauthenticate` set (`max_age`: RFC 9470 section 3).
 */
export const RECENT_FOR_ADMINISTRATORS = 900;

/**
 * The same for owners who export their data or link an identity. Also for owners without a password, where the
 * operation would otherwise ask for it.
 */
export const RECENT_FOR_OWNERS = 300;
