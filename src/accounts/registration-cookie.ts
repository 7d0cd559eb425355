import { type CookieAttributes, CookieStyle, type RequestContext } from '../platform/request/index.ts';
import { REGISTRATION_MARK_TTL } from './registration-marks.ts';

/**
 * Carries the mark of the last registration in this browser. It opens nothing: together with the mailed token it shows
 * that the browser which confirms is the one that registered. It is set whatever TOKEN_DELIVERY says, and only for this
 * host whatever COOKIE_DOMAIN says, because only the gateway reads it.
 */
export class RegistrationCookie {
  readonly name: string;
  private readonly attributes: CookieAttributes;

  constructor({ secure }: { readonly secure: boolean }) {
    const style = new CookieStyle({ secure, domain: undefined });
    this.name = style.name('registration');
    this.attributes = style.attributes(REGISTRATION_MARK_TTL);
  }

  /** @returns null where the browser has none. */
  read({ credentials }: RequestContext): string | null {
    return credentials.cookies[this.name] ?? null;
  }

  set(context: RequestContext, mark: string): void {
    context.setCookie(this.name, mark, this.attributes);
  }
}
