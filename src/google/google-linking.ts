import type { EntityManager } from '@mikro-orm/postgresql';
import { lockAccount } from '../accounts/index.ts';
import type { LinkedIdentities } from '../identities/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { Conflict, InvalidCredentials, Unauthenticated } from '../platform/errors.ts';
import type { Caller, CallerRequest, FactorLookup } from '../platform/request/index.ts';
import { isUnrevoked, type SessionRenewal } from '../sessions/index.ts';
import type { GoogleClaims } from './google-claims.ts';
import type { GoogleIdentities } from './google-identities.ts';
import type { GoogleSignIn } from './google-sign-in.ts';
import { GOOGLE } from './provider.ts';

/** The parts that `GoogleLinking` uses. */
export interface GoogleLinkingDependencies {
  readonly signIn: GoogleSignIn;
  readonly identities: GoogleIdentities;
  readonly linked: LinkedIdentities;
  readonly accountFactors: FactorLookup;
  readonly audit: AuditLog;
}

/** Links and unlinks Google accounts for owners with a recent authentication. */
export class GoogleLinking {
  constructor(private readonly deps: GoogleLinkingDependencies) {}

  /**
   * Links a Google account. If it is linked already, nothing changes.
   * @throws {InvalidCredentials} the ID token is not valid.
   * @throws {Conflict} the Google account is linked to another account, or this account has another one.
   */
  async link(request: CallerRequest, idToken: string, renewal: SessionRenewal): Promise<void> {
    const { em, caller, source } = request;
    await this.deps.signIn.charge(source);
    const { userId } = caller;
    const claims = await this.prove(request, idToken);
    await em.transactional(async (tx) => {
      await this.lock(tx, caller);
      const bound = await this.deps.identities.find(tx, claims);
      if (!bound && (await this.deps.identities.isLinked(tx, userId))) {
        throw new Conflict('Another Google account is linked. Unlink it first.');
      }
      const { issuer, subject } = claims;
      await this.deps.identities.link(tx, userId, { issuer, subject }, source);
      if (!bound) await renewal.rotate(tx);
    });
  }

  /**
   * Unlinks the Google account. If none is linked, nothing changes.
   * @throws {Conflict} no other way to sign in to the account is left.
   */
  async unlink(request: CallerRequest, renewal: SessionRenewal): Promise<void> {
    const { em, caller, source } = request;
    await this.deps.signIn.charge(source);
    const { userId } = caller;
    await em.transactional(async (tx) => {
      await this.lock(tx, caller);
      if ((await this.deps.identities.removeFrom(tx, userId)) === 0) return;
      const { password } = await this.deps.accountFactors.of(tx, userId);
      if (!password && !(await this.deps.linked.hasOtherThan(tx, userId, GOOGLE))) {
        throw new Conflict('This account has no other way to sign in. Set a password first.');
      }
      await this.deps.identities.tellUnlinked(tx, userId, source);
      await renewal.rotate(tx);
    });
  }

  private async prove(request: CallerRequest, idToken: string): Promise<GoogleClaims> {
    const { em, caller, source } = request;
    const { userId } = caller;
    try {
      return await this.deps.signIn.proveIdToken(em, idToken, null);
    } catch (error) {
      if (error instanceof InvalidCredentials) {
        await this.deps.audit.record(em, source, {
          action: 'google.link_failed',
          actorId: userId,
          subjectId: userId,
          outcome: AuditOutcome.FAILURE,
        });
      }
      throw error;
    }
  }

  /**
   * Locks the account and checks that the session is not revoked. Otherwise a thief's request could still link a Google
   * account just after the owner ended the session.
   */
  private async lock(tx: EntityManager, caller: Caller): Promise<void> {
    const user = await lockAccount(tx, caller.userId);
    if (!user || user.deactivatedBy || !(await isUnrevoked(tx, caller))) {
      throw new Unauthenticated('the session or the account ended meanwhile');
    }
  }
}
