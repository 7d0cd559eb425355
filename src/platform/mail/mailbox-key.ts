import { domainToASCII } from 'node:url';

/** Domains of one provider that ignores dots: RFC 5321 leaves the local part to it (support.google.com/mail/answer/7436150). */
const GMAIL = ['gmail.com', 'googlemail.com'];

/**
 * One key for the spellings of an address that reach one mailbox. It is for counting only: two people may share it, so it
 * never tells who somebody is, and no mail goes to it. Lower case; without what follows a plus sign (RFC 5233, by which one
 * mailbox has any number of addresses); the domain in ASCII (RFC 5891); of Gmail without dots and under one domain.
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
