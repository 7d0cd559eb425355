import { PRODUCT_NAME } from '../platform/mail/settings.ts';
import { setting, settingsSection } from '../platform/setting-declaration.ts';
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

/** The sandbox of Blockpass, which has one client for everybody. */
export const SANDBOX = { baseUrl: 'https://sandbox-api.blockpass.org', client: 'developer_service' } as const;

const BLOCKPASS_BASE_URL = setting('BLOCKPASS_BASE_URL', {
  parse: urlOf('http:', 'https:'),
  parseInProduction: urlOf('https:'),
  default: SANDBOX.baseUrl,
  description: 'The Blockpass API; the default is its sandbox.',
});
const BLOCKPASS_CLIENT_ID = setting('BLOCKPASS_CLIENT_ID', {
  parse: text,
  default: SANDBOX.client,
  description:
    'The id of the service at Blockpass; in production Blockpass is off until it is set. With it, production also requires `BLOCKPASS_BASE_URL` and `BLOCKPASS_CLIENT_SECRET`.',
});
const BLOCKPASS_CLIENT_SECRET = setting('BLOCKPASS_CLIENT_SECRET', {
  parse: text,
  secret: true,
  default: SANDBOX.client,
  description: 'Client secret of the service.',
});
const BLOCKPASS_SIGNING_KEY = setting('BLOCKPASS_SIGNING_KEY', {
  parse: walletImportFormat,
  secret: true,
  whenUnset: 'an approval issues no certificate',
  description: 'Bitcoin private key that signs certificates.',
});
const BLOCKPASS_ISSUED_CERTIFICATE = setting('BLOCKPASS_ISSUED_CERTIFICATE', {
  parse: slug,
  default: 'demo-service-cert',
  description:
    'The kind of certificate that an approval issues. In production it is required with `BLOCKPASS_SIGNING_KEY`.',
});

/** Blockpass. The defaults are its sandbox, which has one client for everybody. */
export const BLOCKPASS_SETTINGS = settingsSection({
  title: 'Blockpass',
  settings: {
    baseUrl: BLOCKPASS_BASE_URL,
    clientId: BLOCKPASS_CLIENT_ID,
    clientSecret: BLOCKPASS_CLIENT_SECRET,
    path: setting('BLOCKPASS_PATH', {
      parse: routePrefix,
      default: '/blockpass/api',
      description: 'Prefix of the five routes that the app calls.',
    }),
    appScheme: setting('BLOCKPASS_APP_SCHEME', {
      parse: uriScheme,
      default: 'blockpass',
      description: 'Scheme of the link that opens the app on the phone itself.',
    }),
    requiredFields: setting('BLOCKPASS_REQUIRED_FIELDS', {
      parse: slugs,
      default: ['email', 'selfie'],
      description:
        'Fields that a person must hand over. Name only those that Blockpass approved for the service, since the app sends nothing else.',
    }),
    optionalFields: setting('BLOCKPASS_OPTIONAL_FIELDS', {
      parse: slugs,
      default: [],
      description: 'Fields that a person may hand over.',
    }),
    certificates: setting('BLOCKPASS_CERTIFICATES', {
      parse: slugs,
      default: ['onfido-service-cert'],
      description: 'Certificates that people are asked for. They may decline.',
    }),
    signingKey: BLOCKPASS_SIGNING_KEY,
    issuedCertificate: BLOCKPASS_ISSUED_CERTIFICATE,
    legalName: setting('BLOCKPASS_LEGAL_NAME', {
      parse: plainName,
      defaultFrom: { text: '`$PRODUCT_NAME`', value: ({ of }) => of(PRODUCT_NAME) },
      description: "The issuer's name in certificates.",
    }),
    logo: setting('BLOCKPASS_LOGO_URL', {
      parse: urlOf('https:'),
      description: "The issuer's logo in certificates.",
    }),
  },
  config: (
    { baseUrl, signingKey, issuedCertificate, legalName, logo, ...blockpass },
    { production, isSet },
  ) => ({
    blockpass: {
      ...blockpass,
      /** Off in production until a client id is set. */
      enabled: !production || isSet(BLOCKPASS_CLIENT_ID),
      baseUrl: baseUrl.replace(/\/+$/, ''),
      /** How approvals issue certificates. Undefined: they issue none. */
      issuing:
        signingKey === undefined ? undefined : { signingKey, slug: issuedCertificate, legalName, logo },
    },
  }),
  check({ requiredFields, optionalFields }, { production, isSet, problem }) {
    if (requiredFields.some((field) => optionalFields.includes(field))) {
      problem('BLOCKPASS_REQUIRED_FIELDS and BLOCKPASS_OPTIONAL_FIELDS must not share a field');
    }
    if (!production || !isSet(BLOCKPASS_CLIENT_ID)) return;
    // Production needs an explicit value for each setting whose default is for the sandbox.
    const issuing = isSet(BLOCKPASS_SIGNING_KEY) ? [BLOCKPASS_ISSUED_CERTIFICATE] : [];
    for (const setting of [BLOCKPASS_BASE_URL, BLOCKPASS_CLIENT_SECRET, ...issuing]) {
      if (!isSet(setting))
        problem(`${setting.name} must be set with BLOCKPASS_CLIENT_ID when NODE_ENV=production`);
    }
  },
});
