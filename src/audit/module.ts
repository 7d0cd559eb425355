import type { Module } from '../platform/module-type.ts';
import { AuditResolver } from './audit.resolver.ts';
import { composeAudit } from './compose.ts';
import { AuditPermission } from './permissions.ts';

/** Reading the audit trail. */
export const audit = {
  name: 'audit',
  resolvers: [AuditResolver],
  permissions: [AuditPermission],
  compose: composeAudit,
} as const satisfies Module;
