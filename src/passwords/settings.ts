import { setting, settingsSection } from '../platform/setting-declaration.ts';
import { oneOf, wholeNumber } from '../platform/setting-parsers.ts';

/** Passwords. */
export const PASSWORD_SETTINGS = settingsSection({
  title: 'Accounts and passwords',
  settings: {
    scheme: setting('PASSWORD_HASH', {
      parse: oneOf('bcrypt', 'argon2id'),
      default: 'bcrypt',
      description:
        'Algorithm of password hashes. `argon2id` takes 64 MiB and 3 passes. Each hashing thread needs that memory; there is one thread fewer than processors. Hashes of both kinds are verified; a weaker one, or one of the other kind, is replaced at the next login. While more expensive hashes are stored, failed logins [take as long as those](design/passwords.md#equal-time).',
    }),
    bcryptCost: setting('PASSWORD_BCRYPT_COST', {
      parse: wholeNumber({ min: 4, max: 16 }),
      parseInProduction: wholeNumber({ min: 10, max: 16 }),
      default: 12,
      description: 'Cost of bcrypt, as a power of two. A lower cost does not change stored hashes.',
    }),
    minLength: setting('PASSWORD_MIN_LENGTH', {
      parse: wholeNumber({ min: 8, max: 64 }),
      default: 12,
      description: 'Characters (Unicode code points) that a password must have.',
    }),
  },
  config: (password) => ({ password }),
});
