/**
 * The time for what a process decides by itself: claims of an access token, token buckets. It is that of the database
 * (database-clock.ts), as this process knows it.
 * What several processes must agree on (expiry of sessions, grace of a rotation) is judged by the database's now().
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}
