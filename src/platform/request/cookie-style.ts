import type { CookieAttributes } from './context.ts';

export interface CookieStyleOptions {
  /** Whether the public URL is https. */
  readonly secure: boolean;
  readonly domain: string | undefined;
}

/**
 * Names and attributes of the gateway's cookies: HttpOnly and SameSite=Lax. Their names have a prefix that makes
 * browsers enforce the rest (draft-ietf-httpbis-rfc6265bis section 4.1.3): `__Host-` binds them to this host,
 * `__Secure-` allows the configured domain. Plain http, which is for development only, has no prefix.
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
