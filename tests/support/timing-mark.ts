const MARK = /^\/\*\* @timing: (.+) \*\/$/;

/**
 * Why a stalled machine can fail the tests of a file, from its first line: `@timing: reason`. Undefined
 * without that mark.
 */
export const timingReason = (text: string): string | undefined =>
  MARK.exec(text.slice(0, text.indexOf('\n')))?.[1];

/**
 * How often a failed test of a file is tried again: once for a file about timing in CI, otherwise never. With
 * two retries a race that is lost in 30 % of the runs would pass 97 %.
 */
export const retriesOf = (text: string, environment: Readonly<Record<string, string | undefined>>): number =>
  environment.CI && timingReason(text) !== undefined ? 1 : 0;
