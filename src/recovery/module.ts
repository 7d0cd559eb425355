import type { Module } from '../platform/module-type.ts';
import { RECOVERY_RULES } from './account-recovery.ts';
import { composeRecovery } from './compose.ts';
import { UNDO_RULES } from './email-change-undo.ts';
import { RECOVERY_NOTICES } from './notices.ts';
import { RecoveryResolver } from './recovery.resolver.ts';

/** The way back to an account. */
export const recovery = {
  name: 'recovery',
  resolvers: [RecoveryResolver],
  rateLimits: { ...RECOVERY_RULES, ...UNDO_RULES },
  notices: RECOVERY_NOTICES,
  compose: composeRecovery,
} as const satisfies Module;
