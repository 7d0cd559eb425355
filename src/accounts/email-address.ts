import { InvalidValue } from '../platform/input.ts';

export interface EmailAddress {
  /** As written, without blanks around it. */
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

/** Blanks around it are removed: keyboards of phones put one behind a word. @throws {InvalidValue} for what cannot be an address. */
export function parseEmailAddress(text: string): EmailAddress {
  const email = text.trim();
  const key = emailKey(email);
  if (key === '') throw new InvalidValue('This is not an e-mail address.');
  return { email, key };
}

/**
 * Domains under which a name means a machine of the local network, or none at all: RFC 6761 sections 6.3 and 6.4
 * (localhost, invalid), RFC 6762 section 3 (local), RFC 8375 (home.arpa), internal, which ICANN reserved for private use in
 * 2024, and localdomain, which systems write behind localhost in /etc/hosts. Not test and example: staging runs with
 * production settings and names its people so, and no mail arrives.
 */
const LOCAL_DOMAIN = /(?:^|\.)(?:localhost|localdomain|invalid|local|internal|home\.arpa)$/;
/**
 * A domain whose last label begins with a letter, as every top-level domain does. Resolvers read one that ends in a number as an
 * IPv4 address, also in short or hexadecimal form: `127.1` and `0x7f.1` are this machine (inet_aton(3)).
 */
const PUBLIC_FORM = /\.[a-z][a-z0-9-]*$/;

/**
 * As `parseEmailAddress`, for an address that people on the Internet can have. Mail to any other would reach a machine
 * next to the mail server, or none.
 * @throws {InvalidValue} also for a domain of one label, an IP address and a domain of the local network.
 */
export function parsePublicEmailAddress(text: string): EmailAddress {
  const address = parseEmailAddress(text);
  const domain = address.key.slice(address.key.lastIndexOf('@') + 1);
  if (!PUBLIC_FORM.test(domain) || LOCAL_DOMAIN.test(domain)) {
    throw new InvalidValue('Use an e-mail address with a public domain, such as ada@example.com.');
  }
  return address;
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
