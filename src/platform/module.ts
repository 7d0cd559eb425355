import { AuditEvent } from './audit/audit-event.entity.ts';
import { AuditStreamPlace } from './audit/audit-stream-place.entity.ts';
import { Retention } from './audit/retention.entity.ts';
import { AUDIT_SETTINGS } from './audit/settings.ts';
import { PLATFORM_CHECKS } from './checks.ts';
import { composePlatform } from './compose.ts';
import { databaseConnections, statementSeconds } from './database/metrics.ts';
import { DATABASE_SETTINGS } from './database/settings.ts';
import { KeyCheck } from './key-check/key-check.entity.ts';
import { DevMail } from './mail/dev-mail.entity.ts';
import { MailJob } from './mail/mail-job.entity.ts';
import { mailJobs } from './mail/metrics.ts';
import { MAIL_SETTINGS } from './mail/settings.ts';
import { ALL_RIGHTS, type Module } from './module-type.ts';
import { rateLimited } from './rate-limit/metrics.ts';
import { RATE_LIMIT_SETTINGS } from './rate-limit/settings.ts';
import { redisUp } from './redis/metrics.ts';
import { REDIS_SETTINGS } from './redis/settings.ts';
import { SECRET_SETTINGS } from './secret-settings.ts';
import { SERVER_SETTINGS } from './server-settings.ts';
import { TELEMETRY_SETTINGS } from './telemetry/settings.ts';

/** The platform that every capability uses: the audit trail, mail, and keys. */
export const platform = {
  name: 'platform',
  metrics: [rateLimited, databaseConnections, statementSeconds, redisUp, mailJobs],
  tables: {
    audit_event: { entity: AuditEvent, rights: ['select', 'insert'] },
    audit_stream: { entity: AuditStreamPlace, rights: ['select', 'insert', 'update'] },
    retention: { entity: Retention, rights: ['select'] },
    key_check: { entity: KeyCheck, rights: ['select', 'insert'] },
    mail_job: { entity: MailJob, rights: ALL_RIGHTS },
    dev_mail: { entity: DevMail, rights: ALL_RIGHTS },
  },
  functions: ['delete_old_audit_events(int)'],
  settings: [
    SERVER_SETTINGS,
    DATABASE_SETTINGS,
    REDIS_SETTINGS,
    MAIL_SETTINGS,
    SECRET_SETTINGS,
    AUDIT_SETTINGS,
    RATE_LIMIT_SETTINGS,
    TELEMETRY_SETTINGS,
  ],
  checks: PLATFORM_CHECKS,
  compose: composePlatform,
} as const satisfies Module;
