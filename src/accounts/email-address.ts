import { InvalidValue } from '../platform/input.ts';

export interface EmailAddress {
  /** As written. */
  email: string;
  /** What makes it unique: lower case throughout. */
  key: string;
}

/** RFC 5321 section 4.5.3.1: octets of the local part, and of a path without its brackets. */
const MAX_LOCAL_PART = 64;
const MAX_LENGTH = 254;
/** The form of the scalar EmailAddress (HTML, "valid e-mail address"): ASCII, a domain with letters, digits, dashes. */
const FORM =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** @throws {InvalidValue} for what cannot be an address. */
export function parseEmailAddress(text: string): EmailAddress {
  const key = emailKey(text);
  if (key === '') throw new InvalidValue('This is not an e-mail address.');
  return { email: text, key };
}

/**
 * The key to look an address up by; empty for what cannot be an address. The local part is folded too, although
 * RFC 5321 lets it be case-sensitive: no mail system in use gives Foo@ and foo@ to two people.
 */
export function emailKey(text: string): string {
  if (text.length > MAX_LENGTH) return '';
  const key = text.toLowerCase();
  return FORM.test(key) && key.lastIndexOf('@') <= MAX_LOCAL_PART ? key : '';
}
