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
 * Writes one kind of mail, when its job's turn has come: looks up whom it goes to, makes the token that its link
 * carries, words it. It runs again, in a new transaction, for each attempt to send.
 */
export interface MailWriter<Facts> {
  /** Names the kind of job in the database: never rename one while jobs may wait. */
  readonly kind: string;
  /** @returns null when there is nobody to write to, which only the worker learns. */
  write(tx: EntityManager, facts: Facts): Promise<Mail | null>;

  /**
   * Rules by which this mail counts for the mailbox that it goes to; none without this method. The worker charges them when
   * it is about to send, since it alone knows whether there is a mail. When one is empty, it takes the writing back and sends
   * nothing.
   */
  limits?(facts: Facts): readonly RecipientRule[];
}

/** Takes mails to where they can be read. */
export interface MailTransport {
  /**
   * @param id the same for each attempt at one job
   * @param signal ends the attempt at once
   * @throws {Undeliverable} when trying again is no use; anything else that is thrown is worth another attempt.
   */
  deliver(mail: Mail, id: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** The mail server refused this recipient or this message for good. */
export class Undeliverable extends Error {}
