export { AuditResolver } from './audit.resolver.ts';
export { AuditTrail } from './audit-trail.ts';
export { AuditPermission } from './permissions.ts';
