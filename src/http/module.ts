import type { Module } from '../platform/module-type.ts';
import { HTTP_CHECKS } from './checks.ts';
import { composeHttp } from './compose.ts';
import { httpRequests, webSockets } from './metrics.ts';
import { HTTP_SETTINGS } from './settings.ts';
import { SOCKET_RULES } from './subscription-socket.ts';

/** The HTTP server. */
export const http = {
  name: 'http',
  metrics: [httpRequests, webSockets],
  rateLimits: { ...SOCKET_RULES },
  settings: [HTTP_SETTINGS],
  checks: HTTP_CHECKS,
  compose: composeHttp,
} as const satisfies Module;
