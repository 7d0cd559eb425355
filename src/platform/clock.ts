/**
 * The clock for decisions of one process: claims of an access token, token buckets. It is the time of the database
 * (database-clock.ts), as far as this process knows it. Decisions that several processes must share (expiry of
 * sessions, grace of a rotation) use the database's now().
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}
