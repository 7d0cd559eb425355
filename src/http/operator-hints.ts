import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Hints } from '../platform/hints.ts';
import { bareAddress } from '../platform/request/index.ts';
import { peersIn } from './connection-places.ts';

/**
 * The form that browsers send (RFC 6454 section 6.2). Other text of a header could mean something to a shell or a
 * terminal.
 */
const PLAIN_ORIGIN = /^https?:\/\/(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

interface Origins {
  readonly publicUrl: string;
  /** The value of CLIENT_ORIGIN. */
  readonly clientOrigins: readonly string[];
}

/**
 * Makes a hint about a refused page. Its browser hides the reply, which has no CORS header.
 * @returns a function that takes the header Origin
 */
export function refusedOriginHint(hints: Hints, { publicUrl, clientOrigins }: Origins) {
  const isDefault = clientOrigins.length === 1 && clientOrigins[0] === publicUrl;
  const named = isDefault ? [] : clientOrigins;
  return (origin: string): void => {
    if (origin === 'null') {
      hints.once('origin', origin, () => ({
        message:
          'A page without an origin was refused, such as a file that was opened in a browser. If it is your front end, serve it by http, and name its origin in CLIENT_ORIGIN.',
      }));
    }
    if (!PLAIN_ORIGIN.test(origin)) return;
    hints.once('origin', origin, () => ({
      message: `A page of ${origin} was refused, because CLIENT_ORIGIN does not name it. If it is your front end, set:`,
      set: `CLIENT_ORIGIN=${[...named, origin].join(',')}`,
    }));
  };
}

/** Makes a hint about X-Forwarded-For from an untrusted proxy: the gateway counts all of its clients as one. */
export function untrustedProxyHint(hints: Hints, trustedProxies: readonly string[]) {
  const isTrusted = peersIn(trustedProxies);
  return (request: FastifyRequest): void => {
    if (request.headers['x-forwarded-for'] === undefined) return;
    const peer = bareAddress(request.socket.remoteAddress ?? '')?.split('%')[0];
    if (peer === undefined || isTrusted(peer)) return;
    hints.once('proxy', peer, () => ({
      message: `X-Forwarded-For from ${peer} does not count, because TRUSTED_PROXIES does not name it. If it is your proxy, all of its clients share one rate limit until you set:`,
      set: `TRUSTED_PROXIES=${[...trustedProxies, peer].join(',')}`,
    }));
  };
}

/**
 * Makes a hint about cookies in a reply to a page of another site. The browser drops them, because they are
 * SameSite=Lax, while the page shows a sign-in that succeeded (draft-ietf-httpbis-rfc6265bis section 5.7).
 */
export function lostCookieHint(hints: Hints, { publicUrl }: Origins) {
  const gateway = new URL(publicUrl);
  return (request: FastifyRequest, reply: FastifyReply): void => {
    if (request.headers['sec-fetch-site'] !== 'cross-site') return;
    const { origin = '', 'sec-fetch-mode': mode } = request.headers;
    if (mode === 'navigate' || !PLAIN_ORIGIN.test(origin) || !reply.hasHeader('set-cookie')) return;
    const page = new URL(origin);
    const isLocal = [page, gateway].every(({ hostname }) => LOOPBACK.includes(hostname));
    page.hostname = gateway.hostname;
    hints.once('cookie', origin, () => ({
      message: `The browser drops the cookies for the page ${origin}, so a sign-in there has no effect: ${
        isLocal
          ? `localhost and 127.0.0.1 are two sites. Open the page at ${page.origin}, and let it call ${publicUrl}.`
          : `it is not on the site of ${publicUrl}. Serve both under one domain, or send the tokens in the header Authorization.`
      }`,
    }));
  };
}
