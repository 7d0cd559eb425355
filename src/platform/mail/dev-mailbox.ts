import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from '../database/index.ts';
import { expiredRows } from '../housekeeping/expired-rows.ts';
import type { SecretBox } from '../secret-box.ts';
import { DevMail } from './dev-mail.entity.ts';
import type { Mail, MailTransport } from './mail.ts';

const DEV_MAIL = 'dev mail';
const SHOWN = 100;
const KEPT_DAYS = 7;

export interface StoredMail extends Mail {
  readonly id: string;
  readonly at: Date;
}

/** Replaces a mail server on a development machine: keeps the mails in the database, which all processes share. */
export class DevMailbox implements MailTransport {
  constructor(
    private readonly fork: () => EntityManager,
    private readonly box: SecretBox,
  ) {}

  async deliver(mail: Mail, id: string): Promise<void> {
    const sealedMail = this.box.seal(DEV_MAIL, Buffer.from(JSON.stringify(mail)));
    await this.fork().upsert(DevMail, { id, sealedMail });
  }

  async close(): Promise<void> {}

  /** Lists the mails, newest first. */
  async list(em: EntityManager): Promise<StoredMail[]> {
    const rows = await em.find(DevMail, {}, { orderBy: { createdAt: 'desc', id: 'desc' }, limit: SHOWN });
    return rows.flatMap((row) => this.open(row) ?? []);
  }

  async find(em: EntityManager, id: string): Promise<StoredMail | null> {
    const row = await em.findOne(DevMail, { id });
    return row && this.open(row);
  }

  /** @returns null for a mail that was sealed under a lost key: the other mails stay readable. */
  private open({ id, createdAt, sealedMail }: DevMail): StoredMail | null {
    try {
      const mail = JSON.parse(this.box.open(DEV_MAIL, sealedMail).toString()) as Mail;
      return { ...mail, id, at: createdAt };
    } catch {
      return null;
    }
  }
}

export const oldDevMails = expiredRows(
  'old mails of the development mailbox',
  'dev_mail',
  sql`created_at < now() - make_interval(days => ${KEPT_DAYS})`,
);
