import {
  AdministrationResolver,
  UserAdministration,
  UserCreation,
  UserDirectory,
  UserImport,
  UserUpdate,
} from '../administration/index.ts';
import { AuditResolver, AuditTrail } from '../audit/index.ts';
import { authorizationChecker } from '../graphql/index.ts';
import { GATEWAY_PERMISSIONS } from '../modules.ts';
import {
  PermissionTable,
  RoleAdministration,
  RoleGrants,
  RoleResolver,
  roleData,
  roleHints,
  Superusers,
} from '../roles/index.ts';
import { RevocationKind } from '../sessions/index.ts';
import type { AccountEnd, Accounts } from './accounts.ts';
import type { Authenticators } from './authenticators.ts';
import type { Part } from './part.ts';
import type { PasswordPart } from './passwords.ts';
import type { Platform } from './platform.ts';
import type { Recovery } from './recovery.ts';
import type { Sessions } from './sessions.ts';

/** Who may do what. */
export function composeAdministration(
  { config, clock, fork, audit, hints, tokens }: Platform,
  { revocationCache, revocations }: Sessions,
  { passwords, accountFactors }: PasswordPart,
  { registration, emailOwnership }: Accounts,
) {
  const permissions = new PermissionTable(fork, GATEWAY_PERMISSIONS);
  const noteMistakes = roleHints(hints, GATEWAY_PERMISSIONS, config.secondFactor.requiredFor);
  const loadRoles = async () => {
    await permissions.load();
    noteMistakes(permissions.roles);
  };
  revocationCache.onChanged(RevocationKind.ROLES, loadRoles);
  const grants = new RoleGrants(revocations, tokens, audit);
  return {
    loadRoles,
    permissions,
    grants,
    isAuthorized: authorizationChecker(permissions, accountFactors, clock),
    superusers: new Superusers(registration, revocations, audit),
    userImport: new UserImport(passwords, emailOwnership, audit),
    resolvers: [
      new RoleResolver(permissions, new RoleAdministration(revocations, audit), grants),
      new AuditResolver(new AuditTrail(), audit),
    ],
    personalData: [roleData],
  } satisfies Part & Record<string, unknown>;
}

export type Administration = ReturnType<typeof composeAdministration>;

/** The people who look after the accounts of others. */
export function composeUserAdministration(
  { config, audit, rateLimiter, outbox }: Platform,
  { revocations, store, signOut }: Sessions,
  { passwords }: PasswordPart,
  { activation, registration, profiles, emailChange, emailOwnership }: Accounts,
  { secondFactors, secondFactorChanges }: Authenticators,
  { recoveryMail }: Recovery,
  { deletion }: AccountEnd,
  { grants }: Administration,
) {
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
  } satisfies Part;
}
