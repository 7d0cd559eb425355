export { AccountClaim } from './account-claim.ts';
export { AccountRecovery } from './account-recovery.ts';
export type { RecoveryServices } from './compose.ts';
export { EmailChangeUndo } from './email-change-undo.ts';
export { RecoveryResolver } from './recovery.resolver.ts';
export { RecoveryMail } from './recovery-mail.ts';
