import type { Module } from '../platform/module-type.ts';
import { composePages } from './compose.ts';

/** The pages at which mailed links open. */
export const pages = {
  name: 'pages',
  compose: composePages,
} as const satisfies Module;
