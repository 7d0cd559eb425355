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
        'Days that audit events are kept. `gatehouse migrate up`, and a start that migrates, write it into the database, where only the owner of the tables can.',
    }),
    auditStream: setting('AUDIT_STREAM', {
      parse: auditStreamTarget,
      default: 'off',
      description:
        'Ships each event off the host as well. It does so [at least once and after its commit](audit.md).',
    }),
  },
  config: (audit) => audit,
});
