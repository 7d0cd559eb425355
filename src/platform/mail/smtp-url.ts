import { accepting, urlOf } from '../setting-parsers.ts';

const isUrl = urlOf('smtp:', 'smtps:');
/** Others would undo what the transport is made with: its time limits, its pool, and that it logs no recipients. */
const PARAMETERS = ['requireTLS', 'ignoreTLS', 'name', 'tls.servername'];

/** Parses SMTP_URL. Nodemailer lets a parameter of the URL win over every option of its own. */
export const smtpUrl = accepting('`smtp://…` or `smtps://…`', (value) => {
  const { searchParams } = new URL(isUrl(value));
  if ([...searchParams.keys()].some((name) => !PARAMETERS.includes(name))) {
    throw new Error(`has a parameter that is not one of ${PARAMETERS.join(', ')}`);
  }
  return value;
});
