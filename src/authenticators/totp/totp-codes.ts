import type { EntityManager } from '@mikro-orm/postgresql';
import type { Clock } from '../../platform/clock.ts';
import { sql, statement } from '../../platform/database/index.ts';
import { matchingStep } from './totp-algorithm.ts';
import { TotpAuthenticator } from './totp-authenticator.entity.ts';
import type { TotpSecrets } from './totp-secrets.ts';

/** Consumes codes of authenticator apps in use. */
export class TotpCodes {
  constructor(
    private readonly secrets: TotpSecrets,
    private readonly clock: Clock,
  ) {}

  /**
   * Consumes a code, which works once: the step of the accepted code is stored, and only codes of later steps are valid
   * (RFC 6238 section 5.2).
   * @returns false when the code is wrong or was used.
   */
  async consume(tx: EntityManager, userId: string, code: string): Promise<boolean> {
    const authenticator = await tx.findOne(TotpAuthenticator, { userId }, { disableIdentityMap: true });
    if (!authenticator) return false;
    const { sealedSecret } = authenticator;
    const step = matchingStep(this.secrets.open(userId, sealedSecret), code, this.clock.now());
    if (step === null) return false;
    const rows = await statement(
      tx,
      sql`update totp_authenticator set last_step = ${step}
          where user_id = ${userId} and last_step < ${step} and sealed_secret = ${sealedSecret} returning user_id`,
    );
    return rows.length > 0;
  }
}
