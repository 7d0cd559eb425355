import { list, text, urlOf } from '../platform/setting-parsers.ts';
import type { SettingsReader } from '../platform/settings.ts';

export interface GoogleSettings {
  /** The first one is that of the web client; ID tokens for the others, those of apps, are accepted too. */
  readonly clientIds: readonly [string, ...string[]];
  readonly clientSecret: string;
  /** An OpenID issuer that stands in for Google. */
  readonly issuerUrl: string | undefined;
}

/** Half of the settings is none: that would only show when somebody signs in. */
export function readGoogle(read: SettingsReader, production: boolean): GoogleSettings | undefined {
  const [first, ...others] = read.withDefault('GOOGLE_CLIENT_ID', list, []);
  const clientSecret = read.secret('GOOGLE_CLIENT_SECRET', text);
  const issuerUrl = read.optional(
    'GOOGLE_ISSUER_URL',
    production ? urlOf('https:') : urlOf('http:', 'https:'),
  );
  if (first === undefined) {
    for (const name of ['GOOGLE_CLIENT_SECRET', 'GOOGLE_ISSUER_URL']) {
      if (read.isSet(name)) read.problem(`${name} is set, so GOOGLE_CLIENT_ID must be set too`);
    }
    return undefined;
  }
  if (!read.isSet('GOOGLE_CLIENT_SECRET')) {
    read.problem('GOOGLE_CLIENT_ID is set, so GOOGLE_CLIENT_SECRET must be set too');
  }
  return { clientIds: [first, ...others], clientSecret: clientSecret ?? '', issuerUrl };
}
