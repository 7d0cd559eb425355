import type { CookieAttributes } from './context.ts';

export interface CookieStyleOptions {
  /** The public URL is https. */
  readonly secure: boolean;
  readonly domain: string | undefined;
}

/**
 * How the gateway's cookies are named and fenced in: HttpOnly and SameSite=Lax. Their names have the prefix that makes
 * browsers enforce the rest (draft-ietf-httpbis-rfc6265bis section 4.1.3): `__Host-` binds them to this host,
 * `__Secure-` leaves them to the domain that was asked for. Plain http, for development only, has no prefix.
 */
export class CookieStyle {
  constructor(private readonly options: CookieStyleOptions) {}

  name(purpose: string): string {
    const { secure, domain } = this.options;
    const prefix = !secure ? '' : domain === undefined ? '__Host-' : '__Secure-';
    return `${prefix}gatehouse_${purpose}`;
  }

  /** @param maxAge seconds; 0 deletes */
  attributes(maxAge: number): CookieAttributes {
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
