import type { Clock } from '../platform/clock.ts';
import type { CookieAttributes, PresentedCredentials, RequestContext } from '../platform/request/index.ts';
import { hasRefreshTokenForm } from './refresh-token.ts';
import type { TokenPair } from './token-pair.ts';

export interface TokenCookieOptions {
  readonly secure: boolean;
  readonly domain: string | undefined;
}

/**
 * The cookies that carry tokens: HttpOnly and SameSite=Lax. Their names have the prefix that makes browsers enforce
 * the rest (draft-ietf-httpbis-rfc6265bis section 4.1.3): `__Host-` binds them to this host, `__Secure-` leaves them
 * to the domain that was asked for. Plain http, for development only, has no prefix.
 */
export class TokenCookies {
  private readonly accessName: string;
  private readonly refreshName: string;

  constructor(
    private readonly clock: Clock,
    private readonly options: TokenCookieOptions,
  ) {
    const prefix = !options.secure ? '' : options.domain === undefined ? '__Host-' : '__Secure-';
    this.accessName = `${prefix}gatehouse_access`;
    this.refreshName = `${prefix}gatehouse_refresh`;
  }

  set(context: RequestContext, { accessToken, refreshToken, expiresIn, session }: TokenPair): void {
    const sessionSeconds = Math.max(0, Math.floor((session.expiresAt.getTime() - this.clock.now()) / 1000));
    context.setCookie(this.accessName, accessToken, this.attributes(expiresIn));
    context.setCookie(this.refreshName, refreshToken, this.attributes(sessionSeconds));
  }

  clear(context: RequestContext): void {
    context.setCookie(this.accessName, '', this.attributes(0));
    context.setCookie(this.refreshName, '', this.attributes(0));
  }

  /** The header wins: a bad bearer does not fall back to the cookie. A refresh token there is no access token. */
  accessToken({ bearer, cookies }: PresentedCredentials): string | undefined {
    if (bearer !== undefined && !hasRefreshTokenForm(bearer)) return bearer;
    return bearer === undefined ? cookies[this.accessName] : undefined;
  }

  /** From the header when that has the form of a refresh token, so that a stale access token is not in the way. */
  refreshToken({ bearer, cookies }: PresentedCredentials): string | undefined {
    if (bearer !== undefined && hasRefreshTokenForm(bearer)) return bearer;
    return cookies[this.refreshName];
  }

  get names(): readonly string[] {
    return [this.accessName, this.refreshName];
  }

  private attributes(maxAge: number): CookieAttributes {
    const { secure, domain } = this.options;
    return {
      ...(domain !== undefined && { domain }),
      path: '/',
      secure,
      httpOnly: true,
      sameSite: 'lax',
      maxAge,
    };
  }
}
