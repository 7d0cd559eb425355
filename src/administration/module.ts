import type { Module } from '../platform/module-type.ts';
import { AdministrationResolver } from './administration.resolver.ts';
import { composeAdministration } from './compose.ts';
import { FactorPermission, SessionPermission, UserPermission } from './permissions.ts';
import { ADMINISTRATION_RULES } from './user-administration.ts';

/** Administration of other people's accounts. */
export const administration = {
  name: 'administration',
  resolvers: [AdministrationResolver],
  permissions: [UserPermission, SessionPermission, FactorPermission],
  rateLimits: { ...ADMINISTRATION_RULES },
  compose: composeAdministration,
} as const satisfies Module;
