import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { LoginOutcome, SignIn } from '../authentication/index.ts';
import type { IdentityProof, IdentityProver } from '../identities/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { InvalidCredentials, InvalidToken } from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type RequestOrigin } from '../platform/request/index.ts';
import type { GoogleAccounts } from './google-accounts.ts';
import type { GoogleClaims } from './google-claims.ts';
import { GOOGLE_METHOD, type GoogleIdentities } from './google-identities.ts';
import type { GoogleIdentity } from './google-identity.entity.ts';
import type { GoogleIssuer } from './google-issuer.ts';
import { TicketPurpose } from './google-ticket.entity.ts';
import type { GoogleTickets, IssuedTicket } from './google-tickets.ts';
import type { IdTokens } from './id-tokens.ts';

/** Every step of a Google sign-in spends one. */
export const GOOGLE_RULES = { 'google.ip': { burst: 60, perSeconds: 60 } } as const;

/** What `GoogleSignIn` works with. */
export interface GoogleSignInDependencies {
  readonly issuer: GoogleIssuer;
  readonly idTokens: IdTokens;
  readonly tickets: GoogleTickets;
  readonly accounts: GoogleAccounts;
  readonly identities: GoogleIdentities;
  readonly signIn: SignIn;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof GOOGLE_RULES>;
}

/** Signs in whom Google vouches for. */
export class GoogleSignIn implements IdentityProver {
  constructor(private readonly deps: GoogleSignInDependencies) {}

  /** A nonce to ask Google for an ID token with. */
  async start(em: EntityManager, origin: RequestOrigin): Promise<IssuedTicket> {
    await this.charge(origin);
    return this.deps.tickets.issue(em, TicketPurpose.NONCE);
  }

  /**
   * By an ID token that a page (One Tap) or an app got from Google.
   * @param nonce as it came from `start`; needed where Google was given its SHA-256 instead
   * @throws {InvalidCredentials} the token is not good, or the account may not sign in; never says which.
   * @throws {ServiceUnavailable} the token cannot be judged now.
   */
  async byIdToken(
    em: EntityManager,
    idToken: string,
    nonce: string | null | undefined,
    origin: RequestOrigin,
  ): Promise<LoginOutcome> {
    await this.charge(origin);
    const claims = await this.recordingRefusal(em, origin, () => this.proveIdToken(em, idToken, nonce));
    return this.signInAs(em, claims, origin);
  }

  /**
   * By the result of a redirect flow, in the browser that it belongs to.
   * @throws {InvalidToken} no such result for this browser.
   */
  async byResult(
    em: EntityManager,
    code: string,
    browser: string | undefined,
    origin: RequestOrigin,
  ): Promise<LoginOutcome> {
    await this.charge(origin);
    const claims = await this.recordingRefusal(em, origin, async () => {
      const result =
        browser === undefined
          ? null
          : await this.deps.tickets.consume(em, TicketPurpose.RESULT, code, browser);
      if (!result?.claims) throw new InvalidToken('no such result for this browser');
      return result.claims;
    });
    return this.signInAs(em, claims, origin);
  }

  /**
   * Whom an ID token names, whose nonce is one of ours and is used up with it. What a bad one was for, and so what is
   * recorded of it, is the caller's to know.
   * @throws {InvalidCredentials}
   * @throws {ServiceUnavailable}
   */
  async proveIdToken(
    em: EntityManager,
    idToken: string,
    nonce: string | null | undefined,
  ): Promise<GoogleClaims> {
    const { clientIds } = this.deps.issuer;
    const verified = await this.deps.idTokens.verify(idToken, { clientIds }, this.deps.issuer.deadline());
    const issued = issuedNonce(verified.nonce, nonce);
    if (issued === null || !(await this.deps.tickets.consume(em, TicketPurpose.NONCE, issued))) {
      throw new InvalidCredentials(['Google ID token'], 'ID token refused: not a nonce of ours, or used');
    }
    return verified.claims;
  }

  /** Runs the step of a sign-in that finds out who it is: when it is refused, nobody knows. */
  async recordingRefusal<T>(em: EntityManager, origin: RequestOrigin, judge: () => Promise<T>): Promise<T> {
    try {
      return await judge();
    } catch (error) {
      if (error instanceof InvalidCredentials || error instanceof InvalidToken)
        await this.recordFailure(em, null, origin);
      throw error;
    }
  }

  async prove(
    em: EntityManager,
    userId: string,
    idToken: string,
    origin: RequestOrigin,
  ): Promise<IdentityProof | null> {
    await this.charge(origin);
    const identity = await this.deps.identities.find(em, await this.proveIdToken(em, idToken, null));
    return identity?.userId === userId ? this.proofOf(identity) : null;
  }

  async charge(origin: RequestOrigin): Promise<void> {
    await this.deps.rateLimiter.charge(['google.ip', origin.networks]);
  }

  private async signInAs(
    em: EntityManager,
    claims: GoogleClaims,
    origin: RequestOrigin,
  ): Promise<LoginOutcome> {
    const decision = await this.deps.accounts.decide(em, claims, origin);
    if (decision.kind === 'linkRequired') {
      return { kind: 'accountLinkRequired', challenge: decision.challenge };
    }
    if (decision.kind === 'account') {
      const { identity } = decision;
      const proof = { userId: identity.userId, amr: [GOOGLE_METHOD], ...this.proofOf(identity) };
      const outcome = await this.deps.signIn.begin(em, proof, origin);
      if (outcome) return outcome;
    }
    const userId = decision.kind === 'account' ? decision.identity.userId : decision.userId;
    await this.recordFailure(em, userId, origin);
    throw new InvalidCredentials(['Google ID token'], 'not active, or unlinked meanwhile');
  }

  private proofOf(identity: GoogleIdentity): IdentityProof {
    return { holds: (tx) => this.deps.identities.stillHolds(tx, identity) };
  }

  private recordFailure(em: EntityManager, subjectId: string | null, origin: RequestOrigin): Promise<void> {
    return this.deps.audit.record(em, origin, {
      action: 'login.failed',
      actorId: null,
      subjectId,
      outcome: AuditOutcome.FAILURE,
      details: { provider: 'google' },
    });
  }
}

/**
 * The nonce that we issued, for one that a token carries. Some apps give Google only the SHA-256 of theirs, in
 * hexadecimal, so that whoever sees the token cannot use it: then the nonce itself must come along.
 */
function issuedNonce(carried: string, claimed: string | null | undefined): string | null {
  if (claimed == null) return carried;
  const digest = createHash('sha256').update(claimed).digest('hex');
  return carried === claimed || carried.toLowerCase() === digest ? claimed : null;
}
