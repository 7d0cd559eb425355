import { Client } from './client.ts';
import { noteSecret } from './secret-watch.ts';

/** A browser as far as a sign-in by redirect needs one: it keeps cookies, and stops at every redirect. */
export class RedirectBrowser extends Client {
  constructor(url: string) {
    super(url, { keepCookies: true });
  }

  /** Opens an address. @returns where it is sent; the gateway's own address stands in for PUBLIC_URL. */
  async open(address: string): Promise<URL> {
    const response = await fetch(address, {
      redirect: 'manual',
      headers: address.startsWith(this.url) ? { cookie: this.cookieHeader } : {},
    });
    if (address.startsWith(this.url)) this.keep(response.headers.getSetCookie());
    const location = response.headers.get('location');
    if (location === null) throw new Error(`no redirect but ${response.status} from ${address}`);
    const next = new URL(location);
    for (const parameters of [next.searchParams, new URLSearchParams(next.hash.slice(1))])
      for (const name of ['state', 'nonce', 'code']) noteSecret(name, parameters.get(name));
    return next;
  }

  /** Asks the gateway to begin. @returns the address at the issuer. */
  begin(): Promise<URL> {
    return this.open(`${this.url}/oauth/google/start`);
  }

  /** Signs in at the issuer. @returns the answer that it gives the browser for the gateway. */
  async answerOf(issuerAddress: URL): Promise<URLSearchParams> {
    return (await this.open(issuerAddress.href)).searchParams;
  }

  /** Brings the gateway an answer. @returns what the frontend finds in its fragment. */
  async finish(answer: URLSearchParams): Promise<URLSearchParams> {
    const page = await this.open(`${this.url}/oauth/google/callback?${answer}`);
    return new URLSearchParams(page.hash.slice(1));
  }

  /** All of it. */
  async signIn(): Promise<URLSearchParams> {
    return this.finish(await this.answerOf(await this.begin()));
  }
}
