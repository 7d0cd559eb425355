import { type CookieAttributes, CookieStyle, type RequestContext } from '../platform/request/index.ts';

/** Seconds: 400 days, the longest lifetime of a cookie in browsers (draft-ietf-httpbis-rfc6265bis section 5.5). */
export const DEVICE_MEMORY = 400 * 24 * 3600;

/**
 * The cookie with the mark of a device. The mark is not a credential: it opens nothing, and does not depend on
 * TOKEN_DELIVERY. Only the gateway reads it, so it is bound to this host, whatever COOKIE_DOMAIN is.
 */
export class DeviceCookie {
  readonly name: string;
  private readonly attributes: CookieAttributes;

  constructor({ secure }: { readonly secure: boolean }) {
    const style = new CookieStyle({ secure, domain: undefined });
    this.name = style.name('device');
    this.attributes = style.attributes(DEVICE_MEMORY);
  }

  set(context: RequestContext, mark: string): void {
    context.setCookie(this.name, mark, this.attributes);
  }
}
