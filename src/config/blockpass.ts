import {
  plainName,
  routePrefix,
  slug,
  slugs,
  text,
  uriScheme,
  urlOf,
  walletImportFormat,
} from '../platform/setting-parsers.ts';
import type { SettingsReader } from '../platform/settings.ts';

export interface BlockpassSettings {
  /** Off in production until a client id is set. */
  readonly enabled: boolean;
  readonly baseUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Prefix of the routes that the app calls. */
  readonly path: string;
  /** Scheme of links that open the app. */
  readonly appScheme: string;
  readonly requiredFields: readonly string[];
  readonly optionalFields: readonly string[];
  /** Certificates that people are asked for. */
  readonly certificates: readonly string[];
  /** Unset: an approval issues no certificate. */
  readonly issuing: BlockpassIssuing | undefined;
}

/** How certificates are issued. */
export interface BlockpassIssuing {
  /** Bitcoin private key in wallet import format. */
  readonly signingKey: string;
  readonly slug: string;
  readonly legalName: string;
  readonly logo: string | undefined;
}

/** The sandbox of Blockpass has one client for everybody; production names its own, or does without. */
export function readBlockpass(
  read: SettingsReader,
  production: boolean,
  productName: string,
): BlockpassSettings {
  const signingKey = read.secret('BLOCKPASS_SIGNING_KEY', walletImportFormat);
  const issued = read.withDefault('BLOCKPASS_ISSUED_CERTIFICATE', slug, 'demo-service-cert');
  const issuing = {
    legalName: read.withDefault('BLOCKPASS_LEGAL_NAME', plainName, productName),
    logo: read.optional('BLOCKPASS_LOGO_URL', urlOf('https:')),
  };
  const fields = {
    requiredFields: read.withDefault('BLOCKPASS_REQUIRED_FIELDS', slugs, ['email', 'selfie']),
    optionalFields: read.withDefault('BLOCKPASS_OPTIONAL_FIELDS', slugs, []),
    certificates: read.withDefault('BLOCKPASS_CERTIFICATES', slugs, ['onfido-service-cert']),
  };
  if (fields.requiredFields.some((field) => fields.optionalFields.includes(field))) {
    read.problem('BLOCKPASS_REQUIRED_FIELDS and BLOCKPASS_OPTIONAL_FIELDS must not share a field');
  }
  return {
    enabled: !production || read.isSet('BLOCKPASS_CLIENT_ID'),
    baseUrl: read
      .withDefault(
        'BLOCKPASS_BASE_URL',
        production ? urlOf('https:') : urlOf('http:', 'https:'),
        'https://sandbox-api.blockpass.org',
      )
      .replace(/\/+$/, ''),
    clientId: read.withDefault('BLOCKPASS_CLIENT_ID', text, 'developer_service'),
    clientSecret: read.secret('BLOCKPASS_CLIENT_SECRET', text) ?? 'developer_service',
    path: read.withDefault('BLOCKPASS_PATH', routePrefix, '/blockpass/api'),
    appScheme: read.withDefault('BLOCKPASS_APP_SCHEME', uriScheme, 'blockpass'),
    ...fields,
    issuing: signingKey === undefined ? undefined : { signingKey, slug: issued, ...issuing },
  };
}

/** What has a default for the sandbox must be said in production. */
export function checkBlockpass(read: SettingsReader): void {
  if (!read.isSet('BLOCKPASS_CLIENT_ID')) return;
  const issuing = read.isSet('BLOCKPASS_SIGNING_KEY') ? ['BLOCKPASS_ISSUED_CERTIFICATE'] : [];
  for (const name of ['BLOCKPASS_BASE_URL', 'BLOCKPASS_CLIENT_SECRET', ...issuing]) {
    if (!read.isSet(name))
      read.problem(`${name} must be set with BLOCKPASS_CLIENT_ID when NODE_ENV=production`);
  }
}
