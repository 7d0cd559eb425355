import '@fastify/websocket';
import type { FastifyRequest } from 'fastify';

/** What a request that is no operation of the schema is called in the audit trail: nothing of it is text of the client. */
export const routeName = ({ ws, method, routeOptions }: FastifyRequest): string =>
  `${ws ? 'WS' : method} ${routeOptions.url}`;
