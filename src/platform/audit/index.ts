export { AuditEvent, AuditOutcome } from './audit-event.entity.ts';
export { AuditLog } from './audit-log.ts';
export type { AuditReceiver } from './audit-receiver.ts';
export { AuditStream } from './audit-stream.ts';
export type { AuditStreamTarget } from './audit-stream-target.ts';
export { auditData } from './personal-data.ts';
export { oldAuditEvents, setAuditRetention } from './retention.ts';
export { StdoutReceiver } from './stdout-receiver.ts';
export { SyslogReceiver } from './syslog-receiver.ts';
