import type { EntityManager } from '@mikro-orm/postgresql';

/** One message to one person. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Name of a rate limit rule that counts mails to one mailbox. */
export type RecipientRule = `${string}.recipient`;

/**
 * Writes one kind of mail when its job is due: it finds the recipient, makes the token of the link, and writes the
 * text. It runs again, in a new transaction, for each attempt to send.
 */
export interface MailWriter<Facts> {
  /** Name of the kind of job in the database. Never rename it while jobs may wait. */
  readonly kind: string;
  /** @returns null when there is no recipient, which only the worker learns. */
  write(tx: EntityManager, facts: Facts): Promise<Mail | null>;

  /**
   * Rules that count this mail for the mailbox of its recipient; none without this method. The worker charges them
   * right before sending, since only it knows whether there is a mail. When a bucket is empty, it rolls the writing
   * back and sends nothing.
   */
  limits?(facts: Facts): readonly RecipientRule[];
}

/** Delivers mails. */
export interface MailTransport {
  /**
   * @param id the same for each attempt at one job
   * @param signal ends the attempt at once
   * @throws {Undeliverable} when a retry is useless. Any other error is worth a retry.
   */
  deliver(mail: Mail, id: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** The mail server permanently refused this recipient or this message. */
export class Undeliverable extends Error {}
