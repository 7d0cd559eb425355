import { createHash, createHmac } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { InvalidToken } from '../platform/errors.ts';
import { newSecret } from '../platform/one-time-secret.ts';
import type { RequestSource } from '../platform/request/index.ts';
import { FlowTokenPurpose } from './google-flow-token.entity.ts';
import type { GoogleFlowTokens } from './google-flow-tokens.ts';
import type { GoogleIssuer } from './google-issuer.ts';
import type { GoogleSignIn } from './google-sign-in.ts';
import type { IdTokens } from './id-tokens.ts';
import { googleRefused } from './provider.ts';

/** The parameters with which the issuer redirects the browser back (RFC 6749 section 4.1.2, RFC 9207). */
export interface AuthorizationAnswer {
  readonly state?: string | undefined;
  readonly code?: string | undefined;
  readonly error?: string | undefined;
  readonly iss?: string | undefined;
}

/** The person refused consent (RFC 6749 section 4.1.2.1). */
export class AccessDenied extends Error {}

/**
 * Sign-in by redirect: authorization code with PKCE (RFC 9700 section 2.1.1). The browser stores one secret in a
 * cookie. Verifier and nonce are derived from this secret and the state. So the database holds nothing with which a
 * flow could be continued, and no other browser can continue it.
 */
export class RedirectFlow {
  constructor(
    private readonly issuer: GoogleIssuer,
    private readonly idTokens: IdTokens,
    private readonly flowTokens: GoogleFlowTokens,
    private readonly signIn: GoogleSignIn,
  ) {}

  /**
   * Begins a redirect flow.
   * @returns the URL for the redirect, and the secret for the cookie of the browser.
   * @throws {ServiceUnavailable} the issuer is unavailable.
   */
  async begin(em: EntityManager, source: RequestSource): Promise<{ url: string; browser: string }> {
    await this.signIn.charge(source);
    const browser = newSecret();
    const { token: state } = await this.flowTokens.issue(em, FlowTokenPurpose.STATE, { browser });
    const { verifier, nonce } = secretsOf(browser, state);
    const codeChallenge = createHash('sha256').update(verifier).digest('base64url');
    const url = await this.issuer.authorizationUrl({ state, nonce, codeChallenge }, this.issuer.deadline());
    return { url, browser };
  }

  /**
   * Checks the answer of the issuer.
   * @returns a code for the front end, which works once and only in this browser.
   * @throws {InvalidToken} this browser did not start this flow, or the answer was used before.
   * @throws {InvalidCredentials} the answer or the ID token of the issuer is not valid.
   * @throws {AccessDenied}
   * @throws {ServiceUnavailable} the issuer is unavailable.
   */
  async finish(
    em: EntityManager,
    { state, code, error, iss }: AuthorizationAnswer,
    browser: string | undefined,
    source: RequestSource,
  ): Promise<string> {
    await this.signIn.charge(source);
    return this.signIn.recordingRefusal(em, source, async () => {
      // An error of the issuer also counts only if this browser started the flow.
      const asked =
        state !== undefined &&
        browser !== undefined &&
        (await this.flowTokens.consume(em, FlowTokenPurpose.STATE, state, browser));
      if (!asked) throw new InvalidToken('no such state for this browser');
      if (error === 'access_denied') throw new AccessDenied();
      return this.redeem(em, { state, code, error, iss }, browser);
    });
  }

  private async redeem(
    em: EntityManager,
    { state, code, error, iss }: AuthorizationAnswer & { state: string },
    browser: string,
  ): Promise<string> {
    // RFC 6749 section 4.1.2.1: an error comes without a code. An answer with both is not valid.
    if (error !== undefined || code === undefined) {
      throw googleRefused('the issuer answered with an error');
    }
    const signal = this.issuer.deadline();
    if (iss !== undefined && !(await this.issuer.issuers(signal)).includes(iss)) {
      throw googleRefused('the answer is from another issuer');
    }
    const { verifier, nonce } = secretsOf(browser, state);
    const answer = await this.issuer.redeem(code, verifier, signal);
    if (!answer) throw googleRefused('the issuer refused the code');
    const { idToken, accessToken } = answer;
    const [clientId] = this.issuer.clientIds;
    const verified = await this.idTokens.verify(idToken, { clientIds: [clientId], accessToken }, signal);
    if (verified.nonce !== nonce) throw googleRefused('ID token refused: nonce');
    const { token } = await this.flowTokens.issue(em, FlowTokenPurpose.RESULT, {
      browser,
      claims: verified.claims,
    });
    return token;
  }
}

/**
 * Derives one secret for each purpose, so that the nonce, which the issuer sees, reveals nothing about the verifier.
 */
function secretsOf(browser: string, state: string): { verifier: string; nonce: string } {
  const derive = (purpose: string) =>
    createHmac('sha256', browser).update(`${purpose}\n${state}`).digest('base64url');
  return { verifier: derive('verifier'), nonce: derive('nonce') };
}
