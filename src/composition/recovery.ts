import {
  AccountClaim,
  AccountRecovery,
  EmailChangeUndo,
  RecoveryMail,
  RecoveryResolver,
} from '../recovery/index.ts';
import type { Accounts } from './accounts.ts';
import type { Authenticators } from './authenticators.ts';
import type { Devices } from './devices.ts';
import type { Identities } from './identities.ts';
import type { Part } from './part.ts';
import type { PasswordPart } from './passwords.ts';
import type { Platform } from './platform.ts';
import type { Sessions } from './sessions.ts';

export type Recovery = ReturnType<typeof composeRecovery>;

/** The ways back into an account. */
export function composeRecovery(
  { rateLimiter, audit, outbox, mailTemplates, tokens, notices }: Platform,
  { revocations, signOut }: Sessions,
  { passwords }: PasswordPart,
  { activation, emailOwnership }: Accounts,
  { secondFactors }: Authenticators,
  { linkedIdentities }: Identities,
  { devices, deviceCookie }: Devices,
) {
  const recoveryMail = new RecoveryMail(tokens, mailTemplates);
  const claim = new AccountClaim({
    passwords,
    secondFactors,
    devices,
    identities: linkedIdentities,
    tokens,
    revocations,
    signOut,
    notices,
    audit,
  });
  const recovery = new AccountRecovery({
    tokens,
    passwords,
    revocations,
    signOut,
    activation,
    identities: linkedIdentities,
    claim,
    mails: { outbox, recovery: recoveryMail },
    devices,
    notices,
    audit,
    rateLimiter,
  });
  const undo = new EmailChangeUndo({
    tokens,
    emailOwnership,
    identities: linkedIdentities,
    passwords,
    secondFactors,
    devices,
    revocations,
    signOut,
    mails: { outbox, recovery: recoveryMail },
    notices,
    audit,
    rateLimiter,
  });
  return {
    claim,
    recoveryMail,
    resolvers: [new RecoveryResolver(recovery, undo, deviceCookie)],
    mailWriters: [recoveryMail],
  } satisfies Part & Record<string, unknown>;
}
