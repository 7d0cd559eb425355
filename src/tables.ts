import { MIGRATIONS } from '../migrations/index.ts';
import { PendingRegistration } from './accounts/pending-registration.entity.ts';
import { RegistrationMark } from './accounts/registration-mark.entity.ts';
import { User } from './accounts/user.entity.ts';
import { SignInChallenge } from './authentication/sign-in-challenge.entity.ts';
import { RecoveryCode } from './authenticators/recovery-codes/recovery-code.entity.ts';
import { SecondFactorGuesses } from './authenticators/second-factor-guesses.entity.ts';
import { TotpAuthenticator } from './authenticators/totp/totp-authenticator.entity.ts';
import { TotpEnrolment } from './authenticators/totp/totp-enrolment.entity.ts';
import { KycItem } from './blockpass/records/kyc-item.entity.ts';
import { KycRecord } from './blockpass/records/kyc-record.entity.ts';
import { UploadPass } from './blockpass/records/upload-pass.entity.ts';
import { UploadReceipt } from './blockpass/records/upload-receipt.entity.ts';
import { BlockpassCompletion } from './blockpass/sign-in/blockpass-completion.entity.ts';
import { BlockpassSignIn } from './blockpass/sign-in/blockpass-sign-in.entity.ts';
import { KnownDevice } from './devices/known-device.entity.ts';
import { GoogleIdentity } from './google/google-identity.entity.ts';
import { GoogleTicket } from './google/google-ticket.entity.ts';
import { LinkChallenge } from './identities/link-challenge.entity.ts';
import { OneTimeToken } from './one-time-tokens/one-time-token.entity.ts';
import { PasswordCredential } from './passwords/password-credential.entity.ts';
import { AuditEvent } from './platform/audit/audit-event.entity.ts';
import { AuditStreamPlace } from './platform/audit/audit-stream-place.entity.ts';
import { Retention } from './platform/audit/retention.entity.ts';
import type { DatabaseSchema, ServingRights } from './platform/database/index.ts';
import { KeyCheck } from './platform/key-check/key-check.entity.ts';
import { DevMail } from './platform/mail/dev-mail.entity.ts';
import { MailJob } from './platform/mail/mail-job.entity.ts';
import { Role } from './roles/role.entity.ts';
import { RoleGrant } from './roles/role-grant.entity.ts';
import { Ending } from './sessions/ending.entity.ts';
import { Session } from './sessions/session.entity.ts';
import { SigningKey } from './sessions/signing-key.entity.ts';

/** Every entity of the gateway, and every migration. */
export const SCHEMA: DatabaseSchema = {
  entities: [
    User,
    PendingRegistration,
    RegistrationMark,
    PasswordCredential,
    TotpAuthenticator,
    TotpEnrolment,
    RecoveryCode,
    SecondFactorGuesses,
    SignInChallenge,
    GoogleIdentity,
    GoogleTicket,
    LinkChallenge,
    OneTimeToken,
    Role,
    RoleGrant,
    Session,
    Ending,
    SigningKey,
    KnownDevice,
    AuditEvent,
    AuditStreamPlace,
    Retention,
    KeyCheck,
    MailJob,
    DevMail,
    KycRecord,
    KycItem,
    UploadPass,
    UploadReceipt,
    BlockpassSignIn,
    BlockpassCompletion,
  ],
  migrations: MIGRATIONS,
};

/** What the login that serves may do. Whatever is not listed here it cannot do, whoever takes it over. */
export const SERVING_RIGHTS: ServingRights = {
  tables: {
    users: ['select', 'insert', 'update', 'delete'],
    pending_registration: ['select', 'insert', 'update', 'delete'],
    registration_mark: ['select', 'insert', 'delete'],
    password_credential: ['select', 'insert', 'update', 'delete'],
    totp_authenticator: ['select', 'insert', 'update', 'delete'],
    totp_enrolment: ['select', 'insert', 'update', 'delete'],
    recovery_code: ['select', 'insert', 'delete'],
    second_factor_guesses: ['select', 'insert', 'update', 'delete'],
    sign_in_challenge: ['select', 'insert', 'update', 'delete'],
    google_identity: ['select', 'insert', 'update', 'delete'],
    google_ticket: ['select', 'insert', 'delete'],
    link_challenge: ['select', 'insert', 'delete'],
    one_time_token: ['select', 'insert', 'delete'],
    role: ['select', 'insert', 'update', 'delete'],
    role_grant: ['select', 'insert', 'delete'],
    session: ['select', 'insert', 'update', 'delete'],
    ending: ['select', 'insert'],
    known_device: ['select', 'insert', 'update', 'delete'],
    signing_key: ['select', 'insert', 'update'],
    audit_event: ['select', 'insert'],
    audit_stream: ['select', 'insert', 'update'],
    retention: ['select'],
    key_check: ['select', 'insert'],
    mail_job: ['select', 'insert', 'update', 'delete'],
    dev_mail: ['select', 'insert', 'update', 'delete'],
    kyc_record: ['select', 'insert', 'update', 'delete'],
    kyc_item: ['select', 'insert', 'update', 'delete'],
    upload_pass: ['select', 'insert', 'delete'],
    upload_receipt: ['select', 'insert', 'delete'],
    blockpass_sign_in: ['select', 'insert', 'update', 'delete'],
    blockpass_completion: ['select', 'insert', 'update', 'delete'],
  },
  functions: ['delete_old_endings(int)', 'delete_old_audit_events(int)'],
};
