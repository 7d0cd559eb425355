import type { MigrationObject } from '@mikro-orm/core';
import { AccountsAndSessions } from './20261121024000_accounts_and_sessions.ts';
import { SessionLimits } from './20261121041000_session_limits.ts';
import { KeyRotation } from './20261121060000_key_rotation.ts';
import { MailAndOneTimeTokens } from './20261122010000_mail_and_one_time_tokens.ts';
import { OneEndingPerSession } from './20261122023000_one_ending_per_session.ts';
import { SecondFactor } from './20261122050000_second_factor.ts';
import { Administration } from './20261122060000_administration.ts';
import { Google } from './20261122070000_google.ts';
import { Blockpass } from './20261122080000_blockpass.ts';
import { BlockpassLinkedAt } from './20261122085000_blockpass_linked_at.ts';
import { KnownDevices } from './20261122090000_known_devices.ts';
import { BlockpassTakenBy } from './20261122101000_blockpass_taken_by.ts';
import { EndingsThatMatter } from './20261122103000_endings_that_matter.ts';
import { UploadPassWithoutOrigin } from './20261126010000_upload_pass_without_origin.ts';
import { RecoveryCodeCreatedAt } from './20261128171000_recovery_code_created_at.ts';
import { RefreshContract } from './20261128171500_refresh_contract.ts';
import { KycReceivedHash } from './20261128172300_kyc_received_hash.ts';
import { AuditStream } from './20261128172500_audit_stream.ts';
import { RegistrationMark } from './20261128172900_registration_mark.ts';
import { UsernameSkeletons } from './20261128173000_username_skeletons.ts';
import { SessionKey } from './20261128174500_session_key.ts';
import { AuditFilters } from './20261128200800_audit_filters.ts';
import { GuessRound } from './20261128202200_guess_round.ts';
import { KycTokenRenewal } from './20261128202300_kyc_token_renewal.ts';
import { BlockpassCompletion } from './20261128203000_blockpass_completion.ts';
import { RoleNamesWithoutCase } from './20261128204900_role_names_without_case.ts';

/** Every migration, oldest first. Append only: a released migration is never changed, renamed or removed. */
export const MIGRATIONS: readonly MigrationObject[] = [
  { name: '20261121024000_accounts_and_sessions', class: AccountsAndSessions },
  { name: '20261121041000_session_limits', class: SessionLimits },
  { name: '20261121060000_key_rotation', class: KeyRotation },
  { name: '20261122010000_mail_and_one_time_tokens', class: MailAndOneTimeTokens },
  { name: '20261122023000_one_ending_per_session', class: OneEndingPerSession },
  { name: '20261122050000_second_factor', class: SecondFactor },
  { name: '20261122060000_administration', class: Administration },
  { name: '20261122070000_google', class: Google },
  { name: '20261122080000_blockpass', class: Blockpass },
  { name: '20261122085000_blockpass_linked_at', class: BlockpassLinkedAt },
  { name: '20261122090000_known_devices', class: KnownDevices },
  { name: '20261122101000_blockpass_taken_by', class: BlockpassTakenBy },
  { name: '20261122103000_endings_that_matter', class: EndingsThatMatter },
  { name: '20261126010000_upload_pass_without_origin', class: UploadPassWithoutOrigin },
  { name: '20261128171000_recovery_code_created_at', class: RecoveryCodeCreatedAt },
  { name: '20261128171500_refresh_contract', class: RefreshContract },
  { name: '20261128172300_kyc_received_hash', class: KycReceivedHash },
  { name: '20261128172500_audit_stream', class: AuditStream },
  { name: '20261128172900_registration_mark', class: RegistrationMark },
  { name: '20261128173000_username_skeletons', class: UsernameSkeletons },
  { name: '20261128174500_session_key', class: SessionKey },
  { name: '20261128200800_audit_filters', class: AuditFilters },
  { name: '20261128202200_guess_round', class: GuessRound },
  { name: '20261128202300_kyc_token_renewal', class: KycTokenRenewal },
  { name: '20261128203000_blockpass_completion', class: BlockpassCompletion },
  { name: '20261128204900_role_names_without_case', class: RoleNamesWithoutCase },
];
