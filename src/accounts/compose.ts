import type { MailTemplateServices } from '../mail-templates/index.ts';
import type { NoticeServices } from '../notices/index.ts';
import type { OneTimeTokenServices } from '../one-time-tokens/index.ts';
import type { PasswordServices } from '../passwords/index.ts';
import type { PlatformServices, PlatformSettings } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import type { SessionServices } from '../sessions/index.ts';
import { AccountResolver } from './account.resolver.ts';
import { AccountDeletion, FarewellMail } from './account-deletion.ts';
import { AccountEndResolver } from './account-end.resolver.ts';
import { Activation, type RemovalGuard } from './activation.ts';
import { ConfirmationMail, RegistrationMail } from './confirmation-mails.ts';
import { DataExport } from './data-export.ts';
import { Deactivation } from './deactivation.ts';
import { EmailResolver } from './email.resolver.ts';
import { EmailChange } from './email-change.ts';
import { NewAddressMail, OldAddressMail } from './email-change-mails.ts';
import { EmailConfirmation } from './email-confirmation.ts';
import { EmailOwnership } from './email-ownership.ts';
import { expiredRegistrations } from './pending-registrations.ts';
import { Profiles } from './profile.ts';
import { RegistrantProof } from './registrant-proof.ts';
import { Registration } from './registration.ts';
import { RegistrationCookie } from './registration-cookie.ts';
import { expiredRegistrationMarks, registrationMarkData } from './registration-marks.ts';
import { RepeatedRegistrations } from './repeated-registrations.ts';
import type { ACCOUNT_SETTINGS } from './settings.ts';
import { fillUsernameSkeletons, missingUsernameSkeletons } from './username-reservation.ts';

export type AccountServices = ServicesOf<typeof composeAccounts>;

export function composeAccounts({
  config: { emailConfirmation, production },
  platform: { rateLimiter, audit, outbox, secure, contributions, fork, log },
  oneTimeTokens: { tokens },
  mailTemplates: { templates },
  notices: { notices },
  sessions: { revocations, signOut },
  passwords: { passwords, currentPasswordCheck },
}: {
  config: PlatformSettings & ConfigOf<typeof ACCOUNT_SETTINGS>;
  platform: PlatformServices;
  oneTimeTokens: OneTimeTokenServices;
  mailTemplates: MailTemplateServices;
  notices: NoticeServices;
  sessions: SessionServices;
  passwords: PasswordServices;
}) {
  const publicEmailsOnly = production;
  const personalData = contributions.of('personalData');
  const removalGuard = everyGuard(contributions.of('removalGuards'));
  const registrationCookie = new RegistrationCookie({ secure });
  const emailOwnership = new EmailOwnership(tokens);
  const registrationMail = new RegistrationMail(tokens, templates, emailOwnership);
  const confirmationMail = new ConfirmationMail(tokens, templates, emailOwnership);
  const toNewAddress = new NewAddressMail(templates, emailOwnership);
  const toOldAddress = new OldAddressMail(templates);
  const farewell = new FarewellMail(templates);
  const registration = new Registration({
    passwords,
    emailOwnership,
    repeated: new RepeatedRegistrations(passwords, { emailConfirmation }),
    mails: { outbox, confirmation: confirmationMail, registration: registrationMail },
    audit,
    rateLimiter,
    options: { emailConfirmation, publicEmailsOnly },
  });
  const profiles = new Profiles(audit, rateLimiter);
  const emailChange = new EmailChange({
    currentPasswordCheck,
    tokens,
    emailOwnership,
    mails: { outbox, toNewAddress, toOldAddress },
    audit,
    rateLimiter,
    options: { publicEmailsOnly },
  });
  const confirmation = new EmailConfirmation({
    tokens,
    emailOwnership,
    emailChange,
    passwords,
    registrant: new RegistrantProof(passwords, audit, rateLimiter),
    unproved: contributions.of('unprovedAccounts'),
    revocations,
    outbox,
    mail: confirmationMail,
    audit,
    rateLimiter,
  });
  const activation = new Activation(removalGuard, revocations, signOut, audit);
  const deactivation = new Deactivation({
    currentPasswordCheck,
    removalGuard,
    activation,
    tokens,
    revocations,
    notices,
  });
  const deletion = new AccountDeletion({
    currentPasswordCheck,
    removalGuard,
    tokens,
    revocations,
    signOut,
    personalData,
    mails: { outbox, farewell },
    audit,
  });
  return {
    services: {
      emailOwnership,
      profiles,
      registration,
      confirmationMail,
      emailChange,
      activation,
      deletion,
    },
    resolvers: [
      new AccountResolver(registration, profiles, registrationCookie, passwords),
      new EmailResolver(confirmation, emailChange, registrationCookie),
      new AccountEndResolver(new DataExport(personalData, rateLimiter), deactivation, deletion),
    ],
    mailWriters: [confirmationMail, registrationMail, toNewAddress, toOldAddress, farewell],
    cookieNames: [registrationCookie.name],
    personalData: [registrationMarkData],
    starters: [() => prepareUsernames(fork, log)],
    chores: [expiredRegistrations, expiredRegistrationMarks, missingUsernameSkeletons],
  } satisfies Composed;
}

const everyGuard =
  (guards: readonly RemovalGuard[]): RemovalGuard =>
  async (tx, userId) => {
    for (const guard of guards) await guard(tx, userId);
  };

/**
 * Prepares the usernames of earlier releases for comparison. Runs before anyone can register, because until then a
 * look-alike of such a name would count as free.
 */
async function prepareUsernames(fork: PlatformServices['fork'], log: PlatformServices['log']): Promise<void> {
  const filled = await fillUsernameSkeletons(fork);
  if (filled > 0) log.info({ filled }, 'usernames of an earlier release were prepared for comparison');
}
