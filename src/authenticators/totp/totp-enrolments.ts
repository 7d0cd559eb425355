import type { EntityManager } from '@mikro-orm/postgresql';
import { lockActiveAccount, User } from '../../accounts/index.ts';
import { guessRounds, inRound } from '../../guesses/index.ts';
import type { OwnerNotices } from '../../notices/index.ts';
import type { CurrentPasswordCheck } from '../../passwords/index.ts';
import { type AuditLog, AuditOutcome } from '../../platform/audit/index.ts';
import type { Clock } from '../../platform/clock.ts';
import { sql, statement } from '../../platform/database/index.ts';
import { InvalidCredentials, NotFound, Unauthenticated } from '../../platform/errors.ts';
import { expiredRows } from '../../platform/housekeeping/expired-rows.ts';
import type { RateLimiter } from '../../platform/rate-limit/index.ts';
import type { Caller, CallerRequest } from '../../platform/request/index.ts';
import type { Revocations, SessionRenewal, SignOut } from '../../sessions/index.ts';
import type { SECOND_FACTOR_NOTICES } from '../notices.ts';
import type { RecoveryCodes } from '../recovery-codes/recovery-codes.ts';
import { keyUri, matchingStep, newSecret, toBase32 } from './totp-algorithm.ts';
import type { TotpSecrets } from './totp-secrets.ts';

export const ENROLMENT_RULES = {
  'confirmTotp.account': { burst: 10, perSeconds: 900, counts: 'account' },
} as const;

/** Seconds, enough to install an app, scan and type. */
const ENROLMENT_TTL = 600;

/** The data that the owner sees once, to add the secret to an app. */
export interface StartedEnrolment {
  /** Base32. */
  readonly secret: string;
  readonly uri: string;
  readonly expiresAt: Date;
}

/** The parts that `TotpEnrolments` uses. */
export interface TotpEnrolmentsDependencies {
  readonly secrets: TotpSecrets;
  readonly recoveryCodes: RecoveryCodes;
  readonly currentPasswordCheck: CurrentPasswordCheck;
  readonly signOut: SignOut;
  readonly revocations: Revocations;
  readonly notices: OwnerNotices<keyof typeof SECOND_FACTOR_NOTICES>;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof ENROLMENT_RULES>;
  readonly clock: Clock;
  /** `issuer`: the name that apps show above the code. */
  readonly options: { readonly issuer: string };
}

/** Enrols authenticator apps. A secret is shown first, and turned on after a code proves that the app has it. */
export class TotpEnrolments {
  constructor(private readonly deps: TotpEnrolmentsDependencies) {}

  /**
   * Shows a new secret and voids an unconfirmed one. An authenticator in use stays valid.
   * @throws {InvalidCredentials} the password is wrong.
   * @throws {ReauthenticationRequired} the account has no password, and the authentication is not recent.
   */
  async start(request: CallerRequest, password: string | null | undefined): Promise<StartedEnrolment> {
    const { em, caller } = request;
    const { userId, sessionId } = caller;
    await this.deps.currentPasswordCheck.prove(request, password, 'totp.enrolment');
    const user = await em.findOne(User, { id: userId });
    if (!user) throw new Unauthenticated();

    const secret = newSecret();
    const [row] = await statement(
      em,
      sql<{ expires_at: string }>`
        insert into totp_enrolment (user_id, session_id, sealed_secret, expires_at)
        values (${userId}, ${sessionId}, ${this.deps.secrets.seal(userId, secret)},
                now() + make_interval(secs => ${ENROLMENT_TTL}))
        on conflict (user_id) do update
        set session_id = excluded.session_id, sealed_secret = excluded.sealed_secret,
            expires_at = excluded.expires_at
        returning expires_at`,
    );
    if (!row) throw new Error('the enrolment was not written');
    return {
      secret: toBase32(secret),
      uri: keyUri(secret, this.deps.options.issuer, user.username),
      expiresAt: new Date(row.expires_at),
    };
  }

  /**
   * Turns the new secret on. Every sign-in needs it from now on, this session gets new tokens of level 2, and all
   * others end. The code that confirmed it is used up.
   * @returns new recovery codes; the previous ones are void.
   * @throws {NotFound} this session has no unconfirmed enrolment.
   * @throws {InvalidCredentials} the code is wrong.
   */
  async confirm(request: CallerRequest, code: string, renewal: SessionRenewal): Promise<readonly string[]> {
    const { em, caller, source } = request;
    const { userId, sessionId } = caller;
    const account = inRound(userId, await guessRounds.of(em, userId));
    await this.deps.rateLimiter.charge(['confirmTotp.account', account]);
    const [enrolment] = await statement(
      em,
      sql<{ sealed_secret: Buffer }>`
        select sealed_secret from totp_enrolment
        where user_id = ${userId} and session_id = ${sessionId} and expires_at > now()`,
    );
    if (!enrolment) throw new NotFound();
    const { sealed_secret: sealed } = enrolment;
    const step = matchingStep(this.deps.secrets.open(userId, sealed), code, this.deps.clock.now());
    if (step === null) {
      await this.deps.audit.record(em, source, {
        action: 'totp.confirmation_failed',
        actorId: userId,
        subjectId: userId,
        outcome: AuditOutcome.FAILURE,
      });
      throw new InvalidCredentials(['security code'], 'wrong code for the new secret');
    }

    return this.deps.revocations.transactional(em, async (tx) => {
      // Thrown inside the transaction: secret, recovery codes and the raised session take effect together or not at
      // all.
      if (!(await lockActiveAccount(tx, userId)) || !(await this.turnOn(tx, caller, sealed, step)))
        throw new NotFound();
      const ended = await this.deps.signOut.othersIn(tx, caller, source);
      await this.deps.notices.tell(tx, userId, 'factor-enabled', source);
      await this.deps.audit.record(tx, source, {
        action: 'totp.enabled',
        actorId: userId,
        subjectId: userId,
        details: { sessionId, endedSessions: ended },
      });
      const codes = await this.deps.recoveryCodes.replace(tx, userId);
      // Done last: Redis does not undo it when the transaction is rolled back.
      if (!(await renewal.rotate(tx, { amr: ['otp'], aal: 2 }))) throw new NotFound();
      return codes;
    });
  }

  /** @returns false when the enrolment was confirmed or replaced meanwhile. */
  private async turnOn(
    tx: EntityManager,
    { userId, sessionId }: Caller,
    sealed: Buffer,
    step: number,
  ): Promise<boolean> {
    const consumed = await statement(
      tx,
      sql`delete from totp_enrolment
          where user_id = ${userId} and session_id = ${sessionId} and sealed_secret = ${sealed} and expires_at > now()
          returning user_id`,
    );
    if (consumed.length === 0) return false;
    await statement(
      tx,
      sql`insert into totp_authenticator (user_id, sealed_secret, last_step) values (${userId}, ${sealed}, ${step})
          on conflict (user_id) do update set sealed_secret = excluded.sealed_secret, last_step = excluded.last_step`,
    );
    await statement(tx, sql`update users set second_factor_since = now() where id = ${userId}`);
    return true;
  }
}

export const expiredEnrolments = expiredRows(
  'expired TOTP enrolments',
  'totp_enrolment',
  sql`expires_at < now()`,
);
