import type { IncomingMessage } from 'node:http';

/**
 * Counts how often a header was sent. Node keeps the first `Host` or `Authorization` and silently drops the others, so
 * this counts in the raw headers.
 * @param name in lower case
 */
export const headerCount = ({ rawHeaders }: IncomingMessage, name: string): number =>
  rawHeaders.filter((sent, index) => index % 2 === 0 && sent.toLowerCase() === name).length;
