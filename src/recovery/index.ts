export { AccountClaim } from './account-claim.ts';
export { AccountRecovery, RECOVERY_RULES } from './account-recovery.ts';
export { EmailChangeUndo, UNDO_RULES } from './email-change-undo.ts';
export { RecoveryResolver } from './recovery.resolver.ts';
export { RecoveryMail } from './recovery-mail.ts';
