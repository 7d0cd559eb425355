import type { Module } from '../platform/module-type.ts';
import { SOCKET_RULES } from './subscription-socket.ts';

/** The HTTP server. */
export const http: Module = {
  name: 'http',
  rateLimits: { ...SOCKET_RULES },
};
