export { AuditEvent, AuditOutcome } from './audit-event.entity.ts';
export { AuditLog } from './audit-log.ts';
export { auditData } from './personal-data.ts';
export { oldAuditEvents, setAuditRetention } from './retention.ts';
