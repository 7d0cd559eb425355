import type { IncomingMessage } from 'node:http';

/**
 * How often a header was sent. Node keeps the first `Host` or `Authorization` and drops the others silently, so the raw
 * headers are counted.
 * @param name in lower case
 */
export const headerCount = ({ rawHeaders }: IncomingMessage, name: string): number =>
  rawHeaders.filter((sent, index) => index % 2 === 0 && sent.toLowerCase() === name).length;
