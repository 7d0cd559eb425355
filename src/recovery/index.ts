export { AccountClaim } from './account-claim.ts';
export type { RecoveryServices } from './compose.ts';
export { RecoveryMail } from './recovery-mail.ts';
