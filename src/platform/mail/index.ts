export { DevMailbox, oldDevMails, type StoredMail } from './dev-mailbox.ts';
export { type Mail, type MailWriter, type RecipientRule, Undeliverable } from './mail.ts';
export { MailOutbox, oldMailJobs } from './mail-outbox.ts';
export { MailWorker } from './mail-worker.ts';
export { mailboxKey } from './mailbox-key.ts';
export { SmtpTransport } from './smtp-transport.ts';
