import { Gauge, Histogram } from '../telemetry/index.ts';

export const databaseConnections = new Gauge({
  name: 'gatehouse_database_connections',
  help: 'Connections of this process to PostgreSQL: busy, idle, and requests that wait for one.',
  labels: ['state'],
  across: 'sum',
});

export const statementSeconds = new Histogram({
  name: 'gatehouse_database_statement_seconds',
  help: 'Time from sending a statement to its answer.',
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
});
