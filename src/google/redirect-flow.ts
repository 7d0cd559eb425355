import { createHash, createHmac } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { InvalidCredentials, InvalidToken } from '../platform/errors.ts';
import { newSecret } from '../platform/one-time-secret.ts';
import type { RequestSource } from '../platform/request/index.ts';
import { FlowTokenPurpose } from './google-flow-token.entity.ts';
import type { GoogleFlowTokens } from './google-flow-tokens.ts';
import type { GoogleIssuer } from './google-issuer.ts';
import type { GoogleSignIn } from './google-sign-in.ts';
import type { IdTokens } from './id-tokens.ts';

/** What the issuer sends the browser back with (RFC 6749 section 4.1.2, RFC 9207). */
export interface AuthorizationAnswer {
  readonly state?: string | undefined;
  readonly code?: string | undefined;
  readonly error?: string | undefined;
  readonly iss?: string | undefined;
}

/** The person said no (RFC 6749 section 4.1.2.1). */
export class AccessDenied extends Error {}

/**
 * The sign-in by redirect: authorization code with PKCE (RFC 9700 section 2.1.1). The browser keeps one secret in a
 * cookie. The verifier and the nonce are made from it and the state, so the database holds nothing that a flow could
 * be continued with, and nobody continues one in another browser.
 */
export class RedirectFlow {
  constructor(
    private readonly issuer: GoogleIssuer,
    private readonly idTokens: IdTokens,
    private readonly flowTokens: GoogleFlowTokens,
    private readonly signIn: GoogleSignIn,
  ) {}

  /**
   * @returns where to send the browser, and the secret that it is to keep.
   * @throws {ServiceUnavailable} the issuer is away.
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
   * @returns a code for the frontend, good once, in this browser.
   * @throws {InvalidToken} the answer is not to a question of this browser, or was given before.
   * @throws {InvalidCredentials} what the issuer says of the person is not good.
   * @throws {AccessDenied}
   * @throws {ServiceUnavailable} the issuer is away.
   */
  async finish(
    em: EntityManager,
    { state, code, error, iss }: AuthorizationAnswer,
    browser: string | undefined,
    source: RequestSource,
  ): Promise<string> {
    await this.signIn.charge(source);
    return this.signIn.recordingRefusal(em, source, async () => {
      // Errors too are believed only in answer to a question of this browser.
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
    // RFC 6749 section 4.1.2.1: an error comes without a code; an answer with both is nobody's.
    if (error !== undefined || code === undefined) {
      throw new InvalidCredentials(['Google ID token'], 'the issuer answered with an error');
    }
    const signal = this.issuer.deadline();
    if (iss !== undefined && !(await this.issuer.issuers(signal)).includes(iss)) {
      throw new InvalidCredentials(['Google ID token'], 'an answer of another issuer');
    }
    const { verifier, nonce } = secretsOf(browser, state);
    const answer = await this.issuer.redeem(code, verifier, signal);
    if (!answer) throw new InvalidCredentials(['Google ID token'], 'the issuer refused the code');
    const { idToken, accessToken } = answer;
    const [clientId] = this.issuer.clientIds;
    const verified = await this.idTokens.verify(idToken, { clientIds: [clientId], accessToken }, signal);
    if (verified.nonce !== nonce)
      throw new InvalidCredentials(['Google ID token'], 'ID token refused: nonce');
    const { token } = await this.flowTokens.issue(em, FlowTokenPurpose.RESULT, {
      browser,
      claims: verified.claims,
    });
    return token;
  }
}

/** One for each purpose, so that the nonce, which the issuer sees, tells nothing of the verifier. */
function secretsOf(browser: string, state: string): { verifier: string; nonce: string } {
  const derive = (purpose: string) =>
    createHmac('sha256', browser).update(`${purpose}\n${state}`).digest('base64url');
  return { verifier: derive('verifier'), nonce: derive('nonce') };
}
