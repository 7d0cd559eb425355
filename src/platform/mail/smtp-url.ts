import { accepting, urlOf } from '../setting-parsers.ts';

const isUrl = urlOf('smtp:', 'smtps:');
/**
 * Allowed parameters. Other parameters would override options of the transport: its timeouts, its pool, and that it
 * logs no recipients.
 */
const PARAMETERS = ['requireTLS', 'ignoreTLS', 'name', 'tls.servername'];

/** Parses SMTP_URL. In nodemailer, a parameter of the URL overrides every option. */
export const smtpUrl = accepting(
  '`smtp://user:password@host:587` (with STARTTLS) or `smtps://user:password@host:465`',
  (value) => {
    const { searchParams } = new URL(isUrl(value));
    if ([...searchParams.keys()].some((name) => !PARAMETERS.includes(name))) {
      throw new Error(`has a parameter that is not one of ${PARAMETERS.join(', ')}`);
    }
    return value;
  },
);
