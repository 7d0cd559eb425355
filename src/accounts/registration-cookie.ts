import { type CookieAttributes, CookieStyle, type RequestContext } from '../platform/request/index.ts';
import { REGISTRATION_MARK_TTL } from './registration-marks.ts';

/**
 * The cookie with the mark of the last registration in this browser. The mark opens nothing by itself. Together with
 * the mailed token it shows that the same browser registers and confirms. The cookie does not depend on TOKEN_DELIVERY.
 * It is set only for this host, whatever COOKIE_DOMAIN is, because only the gateway reads it.
 */
export class RegistrationCookie {
  readonly name: string;
  private readonly attributes: CookieAttributes;

  constructor({ secure }: { readonly secure: boolean }) {
    const style = new CookieStyle({ secure, domain: undefined });
    this.name = style.name('registration');
    this.attributes = style.attributes(REGISTRATION_MARK_TTL);
  }

  /** @returns null when the browser has no such cookie. */
  read({ credentials }: RequestContext): string | null {
    return credentials.cookies[this.name] ?? null;
  }

  set(context: RequestContext, mark: string): void {
    context.setCookie(this.name, mark, this.attributes);
  }
}
