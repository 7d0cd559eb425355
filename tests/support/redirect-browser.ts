import { Client } from './client.ts';
import { noteSecret } from './secret-watch.ts';

/**
 * A browser with only the features that a redirect flow needs: it keeps cookies, and stops at every redirect.
 */
export class RedirectBrowser extends Client {
  constructor(url: string) {
    super(url, { keepCookies: true });
  }

  /** Opens a URL. @returns the redirect target, with the gateway's test URL in place of PUBLIC_URL. */
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

  /** Starts the flow at the gateway. @returns the URL at the issuer. */
  begin(): Promise<URL> {
    return this.open(`${this.url}/oauth/google/start`);
  }

  /** Signs in at the issuer. @returns the answer that it gives the browser for the gateway. */
  async answerOf(issuerAddress: URL): Promise<URLSearchParams> {
    return (await this.open(issuerAddress.href)).searchParams;
  }

  /** Brings an answer to the gateway. @returns the parameters in the fragment for the frontend. */
  async finish(answer: URLSearchParams): Promise<URLSearchParams> {
    const page = await this.open(`${this.url}/oauth/google/callback?${answer}`);
    return new URLSearchParams(page.hash.slice(1));
  }

  /** Runs the whole flow. */
  async signIn(): Promise<URLSearchParams> {
    return this.finish(await this.answerOf(await this.begin()));
  }
}
