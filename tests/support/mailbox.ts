import type { EntityManager } from '@mikro-orm/postgresql';
import { DevMailbox, type StoredMail } from '../../src/platform/mail/index.ts';
import { SecretBox } from '../../src/platform/secret-box.ts';
import { keyring } from '../../src/platform/setting-parsers.ts';
import { eventually } from './race.ts';
import { noteSecret } from './secret-watch.ts';

/** The end of a link in a mail. */
const TOKEN = /#token=([\w-]+)/;

/** The mails of a gateway without SMTP_URL, read as their recipient would. */
export class Mailbox {
  private readonly mailbox: DevMailbox;

  constructor(
    private readonly fork: () => EntityManager,
    encryptionKey: string,
  ) {
    this.mailbox = new DevMailbox(fork, new SecretBox(keyring(encryptionKey)));
  }

  /** Mails to an address, the newest first. */
  async to(address: string): Promise<StoredMail[]> {
    const mails = await this.mailbox.list(this.fork());
    for (const { text } of mails) noteSecret('mailed token', TOKEN.exec(text)?.[1]);
    return mails.filter((mail) => mail.to === address);
  }

  /** Resolves once all earlier mails have been sent. */
  async settled(): Promise<void> {
    const waiting = () =>
      this.fork().getConnection().execute<unknown[]>('select id from mail_job where finished_at is null');
    await eventually(waiting, (jobs) => jobs.length === 0);
  }

  /** Waits for a mail whose text matches. */
  async expect(address: string, about: RegExp): Promise<StoredMail> {
    const find = async () =>
      (await this.to(address)).find(({ text, subject }) => about.test(`${subject}\n${text}`));
    const mail = await eventually(find, (found) => found !== undefined);
    if (!mail) throw new Error('no such mail');
    return mail;
  }

  /** The token of the link in a mail, once it has arrived. */
  async token(
    address: string,
    page: 'confirm-email' | 'reset-password' | 'undo-email-change',
  ): Promise<string> {
    return tokenOf(await this.expect(address, new RegExp(`/${page}#token=`)));
  }
}

export function tokenOf({ text }: StoredMail): string {
  const token = TOKEN.exec(text)?.[1];
  if (token === undefined) throw new Error('the mail carries no link');
  return token;
}
