import { AccountRecovery, EmailChangeUndo, RecoveryMail, RecoveryResolver } from '../recovery/index.ts';
import type { Accounts } from './accounts.ts';
import type { Authenticators } from './authenticators.ts';
import type { Identities } from './identities.ts';
import type { Part } from './part.ts';
import type { PasswordPart } from './passwords.ts';
import type { Platform } from './platform.ts';
import type { Sessions } from './sessions.ts';

/** The ways back into an account. */
export function composeRecovery(
  { rateLimiter, audit, outbox, letters, tokens, notices }: Platform,
  { endings, signOut }: Sessions,
  { passwords }: PasswordPart,
  { activation, addressBook }: Accounts,
  { secondFactors }: Authenticators,
  { linkedIdentities }: Identities,
) {
  const recoveryMail = new RecoveryMail(tokens, letters);
  const recovery = new AccountRecovery(
    tokens,
    passwords,
    endings,
    signOut,
    activation,
    linkedIdentities,
    { outbox, recovery: recoveryMail },
    notices,
    audit,
    rateLimiter,
  );
  const undo = new EmailChangeUndo(
    tokens,
    addressBook,
    linkedIdentities,
    passwords,
    secondFactors,
    endings,
    signOut,
    { outbox, recovery: recoveryMail },
    audit,
    rateLimiter,
  );
  return {
    recoveryMail,
    resolvers: [new RecoveryResolver(recovery, undo)],
    mailWriters: [recoveryMail],
  } satisfies Part & Record<string, unknown>;
}
