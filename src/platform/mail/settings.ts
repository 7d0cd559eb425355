import { PUBLIC_URL } from '../server-settings.ts';
import { setting, settingsSection } from '../setting-declaration.ts';
import { mailbox, plainName } from '../setting-parsers.ts';
import { smtpUrl } from './smtp-url.ts';

export const SMTP_URL = setting('SMTP_URL', {
  parse: smtpUrl,
  secret: true,
  whenUnset: 'development shows mails at `/dev/mailbox`, in production they wait',
  description: 'Mail server. See below.',
});

export const PRODUCT_NAME = setting('PRODUCT_NAME', {
  parse: plainName,
  default: 'Gatehouse',
  description: 'Name of the service in mails, pages and authenticator apps.',
});

/** Mail. */
export const MAIL_SETTINGS = settingsSection({
  title: 'Mail',
  settings: {
    smtpUrl: SMTP_URL,
    from: setting('MAIL_FROM', {
      parse: mailbox,
      defaultFrom: {
        text: '`$PRODUCT_NAME <no-reply@HOST>`; `HOST` is that of `PUBLIC_URL`',
        value: ({ of }) => `${of(PRODUCT_NAME)} <no-reply@${new URL(of(PUBLIC_URL)).hostname}>`,
      },
      description: 'Sender of every mail.',
    }),
    productName: PRODUCT_NAME,
  },
  config: ({ productName, ...mail }) => ({ productName, mail }),
});
