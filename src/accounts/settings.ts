import { SMTP_URL } from '../platform/mail/settings.ts';
import { setting, settingsSection } from '../platform/setting-declaration.ts';
import { oneOf } from '../platform/setting-parsers.ts';

/** Accounts. */
export const ACCOUNT_SETTINGS = settingsSection({
  title: 'Accounts and passwords',
  settings: {
    emailConfirmation: setting('EMAIL_CONFIRMATION', {
      parse: oneOf('optional', 'required'),
      default: 'optional',
      description:
        'Whether an e-mail address must be confirmed before a login. `required`: an account exists only after its address was confirmed, and registration does not tell whether an address is taken.',
    }),
  },
  config: (accounts) => accounts,
  check({ emailConfirmation }, { production, isSet, problem }) {
    if (production && emailConfirmation === 'required' && !isSet(SMTP_URL)) {
      problem('SMTP_URL must be set for EMAIL_CONFIRMATION=required: nobody could confirm an address');
    }
  },
});
