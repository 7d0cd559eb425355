import { FactorPermission, SessionPermission, UserPermission } from './administration/index.ts';
import { AuditPermission } from './audit/index.ts';
import { KycPermission } from './blockpass/index.ts';
import { RolePermission } from './roles/index.ts';

/**
 * Every permission that an operation of the gateway asks for; docs/administration.md says what each one gives. A role
 * may carry other words, which services behind the gateway know.
 */
export const GATEWAY_PERMISSIONS: readonly string[] = [
  UserPermission,
  SessionPermission,
  FactorPermission,
  RolePermission,
  AuditPermission,
  KycPermission,
].flatMap((words) => Object.values(words));
