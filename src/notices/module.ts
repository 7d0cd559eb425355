import type { Module } from '../platform/module-type.ts';
import { composeNotices } from './compose.ts';
import { NOTICE_RULES } from './owner-notices.ts';

/** Mails that tell owners what happened to their accounts. */
export const notices = {
  name: 'notices',
  rateLimits: { ...NOTICE_RULES },
  compose: composeNotices,
} as const satisfies Module;
