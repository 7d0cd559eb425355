import '@fastify/websocket';
import type { FastifyRequest } from 'fastify';

/**
 * The name in the audit trail for a request that is not an operation of the schema. It contains no text of the client.
 */
export const routeName = ({ ws, method, routeOptions }: FastifyRequest): string =>
  `${ws ? 'WS' : method} ${routeOptions.url}`;
