import { Gauge } from '../telemetry/index.ts';

export const mailJobs = new Gauge({
  name: 'gatehouse_mail_jobs',
  help: 'Mails in the outbox: waiting for the first attempt, or for another one. All processes share the outbox.',
  labels: ['state'],
  across: 'max',
});
