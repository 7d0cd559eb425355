import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { LoginOutcome, SignIn } from '../authentication/index.ts';
import type { IdentityProof, IdentityProver } from '../identities/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { InvalidCredentials, InvalidToken } from '../platform/errors.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type RequestSource } from '../platform/request/index.ts';
import type { GoogleAccounts } from './google-accounts.ts';
import type { GoogleClaims } from './google-claims.ts';
import { FlowTokenPurpose } from './google-flow-token.entity.ts';
import type { GoogleFlowTokens, IssuedFlowToken } from './google-flow-tokens.ts';
import type { GoogleIdentities } from './google-identities.ts';
import type { GoogleIdentity } from './google-identity.entity.ts';
import type { GoogleIssuer } from './google-issuer.ts';
import type { IdTokens } from './id-tokens.ts';
import { GOOGLE, googleRefused } from './provider.ts';

/** Every step of a Google sign-in costs one. */
export const GOOGLE_RULES = {
  'google.ip': { burst: 60, perSeconds: 60, counts: 'IP, for each step of a sign-in by Google' },
} as const;

/** The parts that `GoogleSignIn` uses. */
export interface GoogleSignInDependencies {
  readonly issuer: GoogleIssuer;
  readonly idTokens: IdTokens;
  readonly flowTokens: GoogleFlowTokens;
  readonly accounts: GoogleAccounts;
  readonly identities: GoogleIdentities;
  readonly signIn: SignIn;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof GOOGLE_RULES>;
}

/** Signs in people for whom Google vouches. */
export class GoogleSignIn implements Pick<IdentityProver, 'prove'> {
  constructor(private readonly deps: GoogleSignInDependencies) {}

  /** Issues a nonce, with which a client requests an ID token from Google. */
  async start(em: EntityManager, source: RequestSource): Promise<IssuedFlowToken> {
    await this.charge(source);
    return this.deps.flowTokens.issue(em, FlowTokenPurpose.NONCE);
  }

  /**
   * Signs in by an ID token that a page (One Tap) or an app got from Google.
   * @param nonce as `start` returned it; needed when Google got its SHA-256 instead
   * @throws {InvalidCredentials} the token is not valid, or the account may not sign in; the error does not tell which.
   * @throws {ServiceUnavailable} the token cannot be checked now.
   */
  async byIdToken(
    em: EntityManager,
    idToken: string,
    nonce: string | null | undefined,
    source: RequestSource,
  ): Promise<LoginOutcome> {
    await this.charge(source);
    const claims = await this.recordingRefusal(em, source, () => this.proveIdToken(em, idToken, nonce));
    return this.signInAs(em, claims, source);
  }

  /**
   * Signs in by the result of a redirect flow, in the browser that started the flow.
   * @throws {InvalidToken} this browser has no such result.
   */
  async byResult(
    em: EntityManager,
    code: string,
    browser: string | undefined,
    source: RequestSource,
  ): Promise<LoginOutcome> {
    await this.charge(source);
    const claims = await this.recordingRefusal(em, source, async () => {
      const result =
        browser === undefined
          ? null
          : await this.deps.flowTokens.consume(em, FlowTokenPurpose.RESULT, code, browser);
      if (!result?.claims) throw new InvalidToken('no such result for this browser');
      return result.claims;
    });
    return this.signInAs(em, claims, source);
  }

  /**
   * Verifies an ID token and consumes its nonce, which this gateway must have issued. The caller audits failures,
   * because only the caller knows what the token was for.
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
    if (issued === null || !(await this.deps.flowTokens.consume(em, FlowTokenPurpose.NONCE, issued))) {
      throw googleRefused('ID token refused: the nonce is unknown or used');
    }
    return verified.claims;
  }

  /** Runs the step of a sign-in that identifies the person, and audits its refusal. The subject is then unknown. */
  async recordingRefusal<T>(em: EntityManager, source: RequestSource, judge: () => Promise<T>): Promise<T> {
    try {
      return await judge();
    } catch (error) {
      if (error instanceof InvalidCredentials || error instanceof InvalidToken)
        await this.recordFailure(em, null, source);
      throw error;
    }
  }

  async prove(
    em: EntityManager,
    userId: string,
    idToken: string,
    source: RequestSource,
  ): Promise<IdentityProof | null> {
    await this.charge(source);
    const identity = await this.deps.identities.find(em, await this.proveIdToken(em, idToken, null));
    return identity?.userId === userId ? this.proofOf(identity) : null;
  }

  async charge(source: RequestSource): Promise<void> {
    await this.deps.rateLimiter.charge(['google.ip', source.networks]);
  }

  private async signInAs(
    em: EntityManager,
    claims: GoogleClaims,
    source: RequestSource,
  ): Promise<LoginOutcome> {
    const decision = await this.deps.accounts.decide(em, claims, source);
    if (decision.kind === 'linkRequired') {
      return { kind: 'accountLinkRequired', challenge: decision.challenge };
    }
    if (decision.kind === 'account') {
      const { identity } = decision;
      const proof = { userId: identity.userId, amr: [GOOGLE.method], ...this.proofOf(identity) };
      const outcome = await this.deps.signIn.begin(em, proof, source);
      if (outcome) return outcome;
    }
    const userId = decision.kind === 'account' ? decision.identity.userId : decision.userId;
    await this.recordFailure(em, userId, source);
    throw googleRefused('not active, or unlinked meanwhile');
  }

  private proofOf(identity: GoogleIdentity): IdentityProof {
    return { holds: (tx) => this.deps.identities.stillHolds(tx, identity) };
  }

  private recordFailure(em: EntityManager, subjectId: string | null, source: RequestSource): Promise<void> {
    return this.deps.audit.record(em, source, {
      action: 'login.failed',
      actorId: null,
      subjectId,
      outcome: AuditOutcome.FAILURE,
      details: { provider: GOOGLE.name },
    });
  }
}

/**
 * Finds the nonce that this gateway issued for the nonce in a token. Some apps give Google only the SHA-256 of the
 * nonce, in hexadecimal, so that a thief of the token cannot use it. Then the client must send the nonce itself too.
 */
function issuedNonce(carried: string, claimed: string | null | undefined): string | null {
  if (claimed == null) return carried;
  const digest = createHash('sha256').update(claimed).digest('hex');
  return carried === claimed || carried.toLowerCase() === digest ? claimed : null;
}
