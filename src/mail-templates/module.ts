import type { Module } from '../platform/module-type.ts';
import { composeMailTemplates } from './compose.ts';

/** The words of mails. */
export const mailTemplates = {
  name: 'mail-templates',
  compose: composeMailTemplates,
} as const satisfies Module;
