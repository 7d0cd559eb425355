import { Counter, Gauge } from '../platform/telemetry/index.ts';

export const httpRequests = new Counter({
  name: 'gatehouse_http_requests_total',
  help: 'HTTP requests by route and status.',
  labels: ['route', 'status'],
});

export const webSockets = new Gauge({
  name: 'gatehouse_websockets',
  help: 'WebSockets that are open in this process.',
  across: 'sum',
});
