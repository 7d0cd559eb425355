import { domainToASCII } from 'node:url';

/**
 * Domains of Gmail, which ignores dots in the local part (support.google.com/mail/answer/7436150). RFC 5321
 * leaves the meaning of the local part to the provider.
 */
const GMAIL = ['gmail.com', 'googlemail.com'];

/**
 * One key for all spellings of an e-mail address that reach one mailbox. It is for rate limits only: two people may
 * share it, so it never identifies a person, and no mail goes to it.
 * It is in lower case, without the part after a plus sign (RFC 5233: one mailbox has any number of addresses), and has
 * its domain in ASCII (RFC 5891). For Gmail it has no dots, and one domain.
 */
export function mailboxKey(address: string): string {
  const at = address.lastIndexOf('@');
  const written = address.slice(at + 1).toLowerCase();
  const domain = domainToASCII(written) || written;
  const local = address.slice(0, Math.max(at, 0)).toLowerCase();
  const isGmail = GMAIL.includes(domain);
  const untagged = local.split('+')[0] || local;
  return isGmail ? `${untagged.replaceAll('.', '') || untagged}@${GMAIL[0]}` : `${untagged}@${domain}`;
}
