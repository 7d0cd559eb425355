import { InvalidValue } from '../platform/input.ts';

export interface EmailAddress {
  /** As written, without blanks around it. */
  email: string;
  /** The form by which addresses are unique: lower case throughout. */
  key: string;
}

/** RFC 5321 section 4.5.3.1: octets of the local part, and of a path without its angle brackets. */
const MAX_LOCAL_PART = 64;
const MAX_LENGTH = 254;
/**
 * The form of the scalar EmailAddress (HTML, "valid e-mail address"): ASCII, and a domain of letters, digits and
 * dashes.
 */
const FORM =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/**
 * Parses an address. Surrounding blanks are removed, because keyboards of phones add one behind a word.
 * @throws {InvalidValue} not an address.
 */
export function parseEmailAddress(text: string): EmailAddress {
  const email = text.trim();
  const key = emailKey(email);
  if (key === '') throw new InvalidValue('This is not an e-mail address.');
  return { email, key };
}

/**
 * Domains that name a machine of the local network, or none. RFCs reserve localhost and invalid (RFC 6761 sections 6.3
 * and 6.4), local (RFC 6762 section 3) and home.arpa (RFC 8375). ICANN reserved internal for private use in 2024.
 * Systems write localdomain behind localhost in /etc/hosts. The domains test and example are allowed: staging runs with
 * production settings and uses them for its users, and no mail arrives.
 */
const LOCAL_DOMAIN = /(?:^|\.)(?:localhost|localdomain|invalid|local|internal|home\.arpa)$/;
/**
 * A domain whose last label begins with a letter, as every top-level domain does. Resolvers read a domain that ends in
 * a number as an IPv4 address, also in short or hexadecimal form: `127.1` and `0x7f.1` are this machine (inet_aton(3)).
 */
const PUBLIC_FORM = /\.[a-z][a-z0-9-]*$/;

/**
 * Parses an address that people on the Internet can have. Mail to any other address would reach a machine next to the
 * mail server, or none.
 * @throws {InvalidValue} as `parseEmailAddress`, and for a domain of one label, an IP address or a domain of the local
 *   network.
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
 * The key by which an address is looked up; empty for text that cannot be an address. The local part is folded to lower
 * case too. RFC 5321 lets it be case-sensitive, but no mail system in use gives Foo@ and foo@ to two people.
 */
export function emailKey(text: string): string {
  if (text.length > MAX_LENGTH) return '';
  const key = text.toLowerCase();
  return FORM.test(key) && key.lastIndexOf('@') <= MAX_LOCAL_PART ? key : '';
}
