import { Gauge, Histogram } from '../platform/telemetry/index.ts';

export const hashQueueLength = new Gauge({
  name: 'gatehouse_password_hash_queue_length',
  help: 'Password hashes that wait for a thread of this process.',
  across: 'sum',
});

export const hashSeconds = new Histogram({
  name: 'gatehouse_password_hash_seconds',
  help: 'Time of a password hash on its thread, without the wait for it.',
  buckets: [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2, 5],
});
