import { AuditCounter, type AuditEntry } from '../platform/audit/index.ts';

/** The first factor of a session, such as `pwd` (RFC 8176). */
const methodOf = ({ details }: AuditEntry): string => {
  const { amr, provider } = (details ?? {}) as { amr?: readonly string[]; provider?: string };
  return amr?.[0] ?? provider ?? 'pwd';
};

export const logins = new AuditCounter(
  {
    name: 'gatehouse_logins_total',
    help: 'Sign-ins by first factor (pwd, or the method of an identity provider) and outcome (success, failure).',
    labels: ['method', 'outcome'],
  },
  {
    'session.created': (entry) => ({ method: methodOf(entry), outcome: 'success' }),
    'login.failed': (entry) => ({ method: methodOf(entry), outcome: 'failure' }),
  },
);
