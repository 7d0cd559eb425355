import { setting, settingsSection } from '../platform/setting-declaration.ts';
import { list, text, urlOf } from '../platform/setting-parsers.ts';

const GOOGLE_CLIENT_ID = setting('GOOGLE_CLIENT_ID', {
  parse: list,
  default: [],
  whenUnset: 'off',
  description: 'OAuth client id of the type _Web application_. The client ids of apps may follow.',
});
const GOOGLE_CLIENT_SECRET = setting('GOOGLE_CLIENT_SECRET', {
  parse: text,
  secret: true,
  description: 'Client secret of the first client id.',
});
const GOOGLE_ISSUER_URL = setting('GOOGLE_ISSUER_URL', {
  parse: urlOf('http:', 'https:'),
  parseInProduction: urlOf('https:'),
  whenUnset: 'Google',
  description: 'An OpenID issuer in place of Google.',
});

/** Sign-in by Google. `google` is undefined while it is off. */
export const GOOGLE_SETTINGS = settingsSection({
  title: 'Google',
  settings: { ids: GOOGLE_CLIENT_ID, secret: GOOGLE_CLIENT_SECRET, issuerUrl: GOOGLE_ISSUER_URL },
  config: ({ ids: [first, ...others], secret = '', issuerUrl }) => ({
    google:
      first === undefined
        ? undefined
        : {
            /** The id of the web client, then the ids of apps. ID tokens for all of them are accepted. */
            clientIds: [first, ...others] as const,
            clientSecret: secret,
            issuerUrl,
          },
  }),
  // With half of the settings the mistake would only show at the first sign-in.
  check({ ids }, { isSet, problem }) {
    if (ids.length > 0) {
      if (!isSet(GOOGLE_CLIENT_SECRET))
        problem('GOOGLE_CLIENT_ID is set, so GOOGLE_CLIENT_SECRET must be set too');
      return;
    }
    for (const setting of [GOOGLE_CLIENT_SECRET, GOOGLE_ISSUER_URL]) {
      if (isSet(setting)) problem(`${setting.name} is set, so GOOGLE_CLIENT_ID must be set too`);
    }
  },
});
