import type { AccountServices } from '../accounts/index.ts';
import type { AuthenticatorServices } from '../authenticators/index.ts';
import type { PasswordServices } from '../passwords/index.ts';
import type { PlatformServices, PlatformSettings } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { RecoveryServices } from '../recovery/index.ts';
import type { RoleServices } from '../roles/index.ts';
import type { SessionServices } from '../sessions/index.ts';
import { AdministrationResolver } from './administration.resolver.ts';
import { UserAdministration } from './user-administration.ts';
import { UserCreation } from './user-creation.ts';
import { UserDirectory } from './user-directory.ts';
import { UserImport } from './user-import.ts';
import { UserUpdate } from './user-update.ts';

export type AdministrationServices = ServicesOf<typeof composeAdministration>;

export function composeAdministration({
  config,
  platform: { audit, rateLimiter, outbox },
  sessions: { revocations, store, signOut },
  passwords: { passwords },
  accounts: { activation, deletion, registration, profiles, emailChange, emailOwnership },
  authenticators: { secondFactors, secondFactorChanges },
  recovery: { recoveryMail },
  roles: { grants },
}: {
  config: PlatformSettings;
  platform: PlatformServices;
  sessions: SessionServices;
  passwords: PasswordServices;
  accounts: AccountServices;
  authenticators: AuthenticatorServices;
  recovery: RecoveryServices;
  roles: RoleServices;
}) {
  const mails = { outbox, recovery: recoveryMail };
  const administration = new UserAdministration({
    activation,
    deletion,
    signOut,
    revocations,
    secondFactors,
    secondFactorChanges,
    mails,
    audit,
    rateLimiter,
  });
  const options = { publicEmailsOnly: config.production };
  const creation = new UserCreation({ registration, passwords, grants, mails, audit, options });
  const updates = new UserUpdate({ profiles, emailChange, emailOwnership, audit, options });
  return {
    services: { userImport: new UserImport(passwords, emailOwnership, audit) },
    resolvers: [
      new AdministrationResolver({
        directory: new UserDirectory(),
        administration,
        creation,
        updates,
        sessions: store,
        audit,
      }),
    ],
  } satisfies Composed;
}
