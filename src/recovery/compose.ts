import type { AccountServices } from '../accounts/index.ts';
import type { AuthenticatorServices } from '../authenticators/index.ts';
import type { DeviceServices } from '../devices/index.ts';
import type { IdentityServices } from '../identities/index.ts';
import type { MailTemplateServices } from '../mail-templates/index.ts';
import type { NoticeServices } from '../notices/index.ts';
import type { OneTimeTokenServices } from '../one-time-tokens/index.ts';
import type { PasswordServices } from '../passwords/index.ts';
import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { SessionServices } from '../sessions/index.ts';
import { AccountClaim } from './account-claim.ts';
import { AccountRecovery } from './account-recovery.ts';
import { EmailChangeUndo } from './email-change-undo.ts';
import { RecoveryResolver } from './recovery.resolver.ts';
import { RecoveryMail } from './recovery-mail.ts';

export type RecoveryServices = ServicesOf<typeof composeRecovery>;

/** The ways back into an account. */
export function composeRecovery({
  platform: { rateLimiter, audit, outbox },
  oneTimeTokens: { tokens },
  mailTemplates: { templates },
  notices: { notices },
  sessions: { revocations, signOut },
  devices: { devices, deviceCookie },
  identities: { linkedIdentities },
  passwords: { passwords },
  accounts: { activation, emailOwnership },
  authenticators: { secondFactors },
}: {
  platform: PlatformServices;
  oneTimeTokens: OneTimeTokenServices;
  mailTemplates: MailTemplateServices;
  notices: NoticeServices;
  sessions: SessionServices;
  devices: DeviceServices;
  identities: IdentityServices;
  passwords: PasswordServices;
  accounts: AccountServices;
  authenticators: AuthenticatorServices;
}) {
  const recoveryMail = new RecoveryMail(tokens, templates);
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
    services: { claim, recoveryMail },
    resolvers: [new RecoveryResolver(recovery, undo, deviceCookie)],
    mailWriters: [recoveryMail],
    unprovedAccounts: [claim],
  } satisfies Composed;
}
