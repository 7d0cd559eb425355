import type { EntityManager } from '@mikro-orm/postgresql';
import { lockAccount } from '../accounts/index.ts';
import type { AccountFactors } from '../authenticators/index.ts';
import type { LinkedIdentities } from '../identities/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { Conflict, InvalidCredentials, Unauthenticated } from '../platform/errors.ts';
import type { Caller, RequestOrigin } from '../platform/request/index.ts';
import { isUnrevoked, type SessionRenewal } from '../sessions/index.ts';
import type { GoogleClaims } from './google-claims.ts';
import type { GoogleIdentities } from './google-identities.ts';
import type { GoogleSignIn } from './google-sign-in.ts';

/** Owners link a Google account to theirs and unlink it. That they are the owners was proved just now. */
export class GoogleLinking {
  constructor(
    private readonly signIn: GoogleSignIn,
    private readonly identities: GoogleIdentities,
    private readonly linked: LinkedIdentities,
    private readonly accountFactors: AccountFactors,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Linking what is linked already changes nothing.
   * @throws {InvalidCredentials} the ID token is not good.
   * @throws {Conflict} the Google account is linked elsewhere, or the account has another one.
   */
  async link(
    em: EntityManager,
    caller: Caller,
    idToken: string,
    origin: RequestOrigin,
    renewal: SessionRenewal,
  ): Promise<void> {
    await this.signIn.charge(origin);
    const { userId } = caller;
    const claims = await this.prove(em, userId, idToken, origin);
    await em.transactional(async (tx) => {
      await this.lock(tx, caller);
      const bound = await this.identities.find(tx, claims);
      if (!bound && (await this.identities.isLinked(tx, userId))) {
        throw new Conflict('Another Google account is linked. Unlink it first.');
      }
      const { issuer, subject } = claims;
      await this.identities.link(tx, userId, { issuer, subject }, origin);
      if (!bound) await renewal.rotate(tx);
    });
  }

  /**
   * Unlinking what is not linked changes nothing.
   * @throws {Conflict} nothing else signs in to the account.
   */
  async unlink(
    em: EntityManager,
    caller: Caller,
    origin: RequestOrigin,
    renewal: SessionRenewal,
  ): Promise<void> {
    await this.signIn.charge(origin);
    const { userId } = caller;
    await em.transactional(async (tx) => {
      await this.lock(tx, caller);
      if ((await this.identities.removeFrom(tx, userId)) === 0) return;
      const { password } = await this.accountFactors.of(tx, userId);
      if (!password && !(await this.linked.hasOtherThan(tx, userId, this.identities))) {
        throw new Conflict('Nothing else signs in to this account. Set a password first.');
      }
      await this.identities.tellUnlinked(tx, userId, origin);
      await renewal.rotate(tx);
    });
  }

  private async prove(
    em: EntityManager,
    userId: string,
    idToken: string,
    origin: RequestOrigin,
  ): Promise<GoogleClaims> {
    try {
      return await this.signIn.proveIdToken(em, idToken, null);
    } catch (error) {
      if (error instanceof InvalidCredentials) {
        await this.audit.record(em, origin, {
          action: 'google.link_failed',
          actorId: userId,
          subjectId: userId,
          outcome: AuditOutcome.FAILURE,
        });
      }
      throw error;
    }
  }

  /** An owner who got rid of a thief shall not find a link that the thief asked for a moment before. */
  private async lock(tx: EntityManager, caller: Caller): Promise<void> {
    const user = await lockAccount(tx, caller.userId);
    if (!user || user.deactivatedBy || !(await isUnrevoked(tx, caller))) {
      throw new Unauthenticated('the session or the account ended meanwhile');
    }
  }
}
