import { setting, settingsSection } from '../setting-declaration.ts';
import { wholeNumber } from '../setting-parsers.ts';
import { auditStreamTarget } from './audit-stream-target.ts';

/** The audit trail. */
export const AUDIT_SETTINGS = settingsSection({
  title: 'Audit trail',
  settings: {
    auditRetentionDays: setting('AUDIT_RETENTION_DAYS', {
      parse: wholeNumber({ min: 1, max: 36_500 }),
      default: 365,
      description:
        'Days that audit events are kept; written into the database by `gatehouse migrate up` and by a start that migrates. Only the owner of the tables can write it.',
    }),
    auditStream: setting('AUDIT_STREAM', {
      parse: auditStreamTarget,
      default: 'off',
      description:
        'Where each audit event is shipped, besides the database. It is shipped [at least once and after its commit](audit.md).',
    }),
  },
  config: (audit) => audit,
});
