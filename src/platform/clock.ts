/**
 * The process's own time, for what this process alone decides: claims of an access token, token buckets.
 * What several processes must agree on (expiry of sessions, grace of a rotation) is judged by the database's now().
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
