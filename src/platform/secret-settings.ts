import { setting, settingsSection } from './setting-declaration.ts';
import { keyring } from './setting-parsers.ts';

/** A key that development generates and production must have. */
const key = (name: string, description: string) =>
  setting(name, {
    parse: keyring,
    secret: true,
    whenUnset: 'generated once into `DATA_DIR/secrets.json`',
    description,
    requiredInProduction: 'openssl rand -base64 32',
  });

/** The keys of the gateway. In development, unset keys are generated into `DATA_DIR`. */
export const SECRET_SETTINGS = settingsSection({
  title: 'Keys',
  settings: {
    tokenKeys: key('TOKEN_KEY', 'Key that authenticates refresh tokens, different from the other two.'),
    encryptionKeys: key(
      'ENCRYPTION_KEY',
      'Key that encrypts signing keys, waiting mails and KYC records, different from the other two.',
    ),
    passwordPeppers: key(
      'PASSWORD_PEPPER',
      'Key that is applied to every password before it is hashed, different from the other two.',
    ),
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
