import type { Clock } from '../platform/clock.ts';
import type { CookieStyle, PresentedCredentials, RequestContext } from '../platform/request/index.ts';
import { hasRefreshTokenForm } from './refresh-token.ts';
import type { TokenPair } from './token-pair.ts';

/** The cookies that carry tokens. */
export class TokenCookies {
  private readonly accessName: string;
  private readonly refreshName: string;

  constructor(
    private readonly clock: Clock,
    private readonly style: CookieStyle,
  ) {
    this.accessName = style.name('access');
    this.refreshName = style.name('refresh');
  }

  /** Sets both cookies, except for a session that is bound to a key: a cookie is sent without a proof. */
  set(context: RequestContext, { accessToken, refreshToken, expiresIn, session }: TokenPair): void {
    if (session.jkt !== null) return;
    const sessionSeconds = Math.max(0, Math.floor((session.expiresAt.getTime() - this.clock.now()) / 1000));
    context.setCookie(this.accessName, accessToken, this.style.attributes(expiresIn));
    context.setCookie(this.refreshName, refreshToken, this.style.attributes(sessionSeconds));
  }

  clear(context: RequestContext): void {
    context.setCookie(this.accessName, '', this.style.attributes(0));
    context.setCookie(this.refreshName, '', this.style.attributes(0));
  }

  /**
   * The header takes precedence: an invalid bearer does not fall back to the cookie. A refresh token in the header is
   * not an access token.
   */
  accessToken({ bearer, cookies }: PresentedCredentials): string | undefined {
    if (bearer !== undefined && !hasRefreshTokenForm(bearer)) return bearer;
    return bearer === undefined ? cookies[this.accessName] : undefined;
  }

  /**
   * From the header when that has the form of a refresh token, so that a stale access token does not hide the cookie.
   */
  refreshToken({ bearer, cookies }: PresentedCredentials): string | undefined {
    if (bearer !== undefined && hasRefreshTokenForm(bearer)) return bearer;
    return cookies[this.refreshName];
  }

  get names(): readonly string[] {
    return [this.accessName, this.refreshName];
  }
}
