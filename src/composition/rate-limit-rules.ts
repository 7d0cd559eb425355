import {
  CONFIRMATION_RULES,
  DATA_EXPORT_RULES,
  EMAIL_CHANGE_RULES,
  PROFILE_RULES,
  RECIPIENT_RULES,
  REGISTRANT_PROOF_RULES,
  REGISTRATION_RULES,
} from '../accounts/index.ts';
import { ADMINISTRATION_RULES } from '../administration/index.ts';
import { LOGIN_RULES, REAUTHENTICATION_RULES, SECOND_STEP_RULES } from '../authentication/index.ts';
import { ENROLMENT_RULES, SECOND_FACTOR_CHANGE_RULES, SECOND_FACTOR_RULES } from '../authenticators/index.ts';
import { BLOCKPASS_APP_RULES, BLOCKPASS_SIGN_IN_RULES } from '../blockpass/index.ts';
import { GOOGLE_RULES } from '../google/index.ts';
import { SOCKET_RULES } from '../http/index.ts';
import { NOTICE_RULES } from '../notices/index.ts';
import { OWNER_PROOF_RULES } from '../passwords/index.ts';
import type { RuleTable } from '../platform/rate-limit/index.ts';
import { RECOVERY_RULES, UNDO_RULES } from '../recovery/index.ts';
import { REFRESH_RULES, SERVICE_TOKEN_RULES } from '../sessions/index.ts';

/** Every rate limit with its default; each is declared next to the operation that it guards. */
export const RATE_LIMIT_RULES: RuleTable = {
  ...LOGIN_RULES,
  ...REGISTRATION_RULES,
  ...RECIPIENT_RULES,
  ...CONFIRMATION_RULES,
  ...REGISTRANT_PROOF_RULES,
  ...EMAIL_CHANGE_RULES,
  ...RECOVERY_RULES,
  ...UNDO_RULES,
  ...DATA_EXPORT_RULES,
  ...PROFILE_RULES,
  ...REFRESH_RULES,
  ...SERVICE_TOKEN_RULES,
  ...REAUTHENTICATION_RULES,
  ...OWNER_PROOF_RULES,
  ...NOTICE_RULES,
  ...SECOND_STEP_RULES,
  ...SECOND_FACTOR_RULES,
  ...ENROLMENT_RULES,
  ...SECOND_FACTOR_CHANGE_RULES,
  ...ADMINISTRATION_RULES,
  ...SOCKET_RULES,
  ...BLOCKPASS_APP_RULES,
  ...BLOCKPASS_SIGN_IN_RULES,
  ...GOOGLE_RULES,
};
