import { AuditCounter } from '../platform/audit/index.ts';

export const registrations = new AuditCounter(
  {
    name: 'gatehouse_registrations_total',
    help: 'Registrations: requested (a mail must be confirmed first) and registered.',
    labels: ['outcome'],
  },
  {
    'account.registration_requested': () => ({ outcome: 'requested' }),
    'account.registered': () => ({ outcome: 'registered' }),
  },
);
