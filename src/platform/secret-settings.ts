import { setting, settingsSection } from './setting-declaration.ts';
import { keyring } from './setting-parsers.ts';

/** A key that development generates and production must have. */
const key = (name: string, description: string) =>
  setting(name, {
    parse: keyring,
    secret: true,
    whenUnset: 'generated',
    description,
    requiredInProduction: 'openssl rand -base64 32',
  });

/** The keys of the gateway. Those that are unset are generated into `DATA_DIR`, in development only. */
export const SECRET_SETTINGS = settingsSection({
  title: 'Keys',
  settings: {
    tokenKeys: key('TOKEN_KEY', 'Authenticates refresh tokens.'),
    encryptionKeys: key('ENCRYPTION_KEY', 'Encrypts signing keys, waiting mails and KYC records.'),
    passwordPeppers: key('PASSWORD_PEPPER', 'Keys every password before it is hashed.'),
  },
  config: (secrets) => ({ secrets }),
  check({ tokenKeys, encryptionKeys, passwordPeppers }, { production, problem }) {
    if (!production) return;
    const ids = [tokenKeys, encryptionKeys, passwordPeppers].flatMap(
      (keys) => keys?.map(({ id }) => id) ?? [],
    );
    if (new Set(ids).size < ids.length) {
      problem('TOKEN_KEY, ENCRYPTION_KEY and PASSWORD_PEPPER must not share a key');
    }
  },
});
