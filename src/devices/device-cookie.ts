import { type CookieAttributes, CookieStyle, type RequestContext } from '../platform/request/index.ts';

/** Seconds: 400 days, the longest that browsers keep a cookie (draft-ietf-httpbis-rfc6265bis section 5.5). */
export const DEVICE_MEMORY = 400 * 24 * 3600;

/**
 * Carries the mark of a device. It is no credential: it opens nothing, and it is set whatever TOKEN_DELIVERY says.
 * Only the gateway reads it, so it is bound to this host whatever COOKIE_DOMAIN says.
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
