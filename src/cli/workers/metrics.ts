import { Gauge } from '../../platform/telemetry/index.ts';

/** A metric of the primary alone, so it is not declared by a module. */
export const workerStates = new Gauge({
  name: 'gatehouse_workers',
  help: 'Worker processes by state: starting, ready, stopping, silent (did not tell its metrics in time).',
  labels: ['state'],
  across: 'sum',
});
