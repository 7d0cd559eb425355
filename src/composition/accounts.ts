import {
  AccountDeletion,
  AccountEndResolver,
  AccountResolver,
  Activation,
  ConfirmationMail,
  DataExport,
  Deactivation,
  EmailChange,
  EmailConfirmation,
  EmailOwnership,
  EmailResolver,
  expiredRegistrationMarks,
  expiredRegistrations,
  FarewellMail,
  missingUsernameSkeletons,
  NewAddressMail,
  OldAddressMail,
  Profiles,
  RegistrantProof,
  Registration,
  RegistrationCookie,
  RegistrationMail,
  RepeatedRegistrations,
  registrationMarkData,
  type UnprovedAccounts,
} from '../accounts/index.ts';
import type { PersonalData } from '../platform/personal-data.ts';
import { keepSuperuser } from '../roles/index.ts';
import type { Part } from './part.ts';
import type { PasswordPart } from './passwords.ts';
import type { Platform } from './platform.ts';
import type { Sessions } from './sessions.ts';

export type Accounts = ReturnType<typeof composeAccounts>;

/** Accounts and their addresses. */
export function composeAccounts(
  { config, rateLimiter, audit, outbox, mailTemplates, tokens, secure }: Platform,
  { revocations, signOut }: Sessions,
  { passwords, currentPasswordCheck }: PasswordPart,
) {
  const { emailConfirmation } = config;
  const publicEmailsOnly = config.production;
  const registrationCookie = new RegistrationCookie({ secure });
  const emailOwnership = new EmailOwnership(tokens);
  const registrationMail = new RegistrationMail(tokens, mailTemplates, emailOwnership);
  const confirmationMail = new ConfirmationMail(tokens, mailTemplates, emailOwnership);
  const toNewAddress = new NewAddressMail(mailTemplates, emailOwnership);
  const toOldAddress = new OldAddressMail(mailTemplates);
  const registration = new Registration({
    passwords,
    emailOwnership,
    repeated: new RepeatedRegistrations(passwords, { emailConfirmation }),
    mails: { outbox, confirmation: confirmationMail, registration: registrationMail },
    audit,
    rateLimiter,
    options: { emailConfirmation, publicEmailsOnly },
  });
  const emailChange = new EmailChange({
    currentPasswordCheck,
    tokens,
    emailOwnership,
    mails: { outbox, toNewAddress, toOldAddress },
    audit,
    rateLimiter,
    options: { publicEmailsOnly },
  });
  const profiles = new Profiles(audit, rateLimiter);
  return {
    emailOwnership,
    profiles,
    registration,
    confirmationMail,
    emailChange,
    registrationCookie,
    activation: new Activation(keepSuperuser, revocations, signOut, audit),
    resolvers: [new AccountResolver(registration, profiles, registrationCookie, passwords)],
    mailWriters: [confirmationMail, registrationMail, toNewAddress, toOldAddress],
    cookieNames: [registrationCookie.name],
    personalData: [registrationMarkData],
    chores: [expiredRegistrations, expiredRegistrationMarks, missingUsernameSkeletons],
  } satisfies Part & Record<string, unknown>;
}

/** How an address is confirmed: the first confirmation may take it from an account, which recovery knows how to empty. */
export function composeConfirmation(
  { rateLimiter, audit, outbox, tokens }: Platform,
  { revocations }: Sessions,
  { passwords }: PasswordPart,
  { emailOwnership, emailChange, confirmationMail, registrationCookie }: Accounts,
  { claim }: { readonly claim: UnprovedAccounts },
) {
  const confirmation = new EmailConfirmation({
    tokens,
    emailOwnership,
    emailChange,
    passwords,
    registrant: new RegistrantProof(passwords, audit, rateLimiter),
    unproved: claim,
    revocations,
    outbox,
    mail: confirmationMail,
    audit,
    rateLimiter,
  });
  return {
    resolvers: [new EmailResolver(confirmation, emailChange, registrationCookie)],
  } satisfies Part;
}

export type AccountEnd = ReturnType<typeof composeAccountEnd>;

/** How an account ends, and what its owner takes along: for which every part must have said what it keeps. */
export function composeAccountEnd(
  { rateLimiter, audit, outbox, mailTemplates, tokens, notices }: Platform,
  { revocations, signOut }: Sessions,
  { currentPasswordCheck }: PasswordPart,
  { activation }: Accounts,
  personalData: readonly PersonalData[],
) {
  const farewell = new FarewellMail(mailTemplates);
  const deletion = new AccountDeletion({
    currentPasswordCheck,
    keepSuperuser,
    tokens,
    revocations,
    signOut,
    personalData,
    mails: { outbox, farewell },
    audit,
  });
  return {
    deletion,
    resolvers: [
      new AccountEndResolver(
        new DataExport(personalData, rateLimiter),
        new Deactivation({ currentPasswordCheck, keepSuperuser, activation, tokens, revocations, notices }),
        deletion,
      ),
    ],
    mailWriters: [farewell],
  } satisfies Part & Record<string, unknown>;
}
