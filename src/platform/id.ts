import { v7 } from 'uuid';

/** A UUID of version 7 (RFC 9562). It begins with the time, so that new rows are neighbours in an index. */
export const newId = (): string => v7();

const CANONICAL = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether the text has the only form that the gateway itself writes. */
export const isId = (text: string): boolean => CANONICAL.test(text);

export const idToBytes = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

export function idFromBytes(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
