import type { AccountServices } from '../accounts/index.ts';
import type { OneTimeTokenServices } from '../one-time-tokens/index.ts';
import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import { RevocationKind, type SECOND_FACTOR_SETTINGS, type SessionServices } from '../sessions/index.ts';
import { keepSuperuser } from './last-superuser.ts';
import { PermissionTable } from './permission-table.ts';
import { roleData } from './personal-data.ts';
import { RoleResolver } from './role.resolver.ts';
import { RoleAdministration } from './role-administration.ts';
import { RoleGrants } from './role-grants.ts';
import { roleHints } from './role-hints.ts';
import { Superusers } from './superuser.ts';

export type RoleServices = ServicesOf<typeof composeRoles>;

export function composeRoles({
  config,
  platform: { fork, audit, hints, permissionWords },
  oneTimeTokens: { tokens },
  sessions: { revocationCache, revocations },
  accounts: { registration },
}: {
  config: ConfigOf<typeof SECOND_FACTOR_SETTINGS>;
  platform: PlatformServices;
  oneTimeTokens: OneTimeTokenServices;
  sessions: SessionServices;
  accounts: AccountServices;
}) {
  const permissions = new PermissionTable(fork, permissionWords);
  const noteMistakes = roleHints(hints, permissionWords, config.secondFactor.requiredFor);
  const load = async () => {
    await permissions.load();
    noteMistakes(permissions.roles);
  };
  revocationCache.onChanged(RevocationKind.ROLES, load);
  const grants = new RoleGrants(revocations, tokens, audit);
  return {
    services: { permissions, grants, superusers: new Superusers(registration, revocations, audit) },
    resolvers: [new RoleResolver(permissions, new RoleAdministration(revocations, audit), grants)],
    personalData: [roleData],
    removalGuards: [keepSuperuser],
    starters: [load],
  } satisfies Composed;
}
