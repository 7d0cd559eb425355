import { isIPv6 } from 'node:net';
import { type SettingRules, setting, settingsSection } from './setting-declaration.ts';
import { networks, oneOf, origin, origins, text, wholeNumber } from './setting-parsers.ts';

export const NODE_ENV = setting('NODE_ENV', {
  parse: oneOf('development', 'production', 'test'),
  default: 'development',
  description: 'Kind of deployment. The requirements of `production` are listed [below](#production).',
  passedOn: false,
});

const PORT = setting('PORT', {
  parse: wholeNumber({ min: 1, max: 65_535 }),
  default: 4000,
  description: 'TCP port to listen on.',
  passedOn: false,
});

export const PUBLIC_URL = setting('PUBLIC_URL', {
  parse: origin,
  defaultFrom: { text: '`http://localhost:$PORT`', value: ({ of }) => `http://localhost:${of(PORT)}` },
  description:
    'Origin as clients see it; in production https, or http with the host `localhost`. Issuer of tokens, allowed origin; https makes the cookies `Secure`.',
  requiredInProduction: 'the https origin that clients see',
});

const CLIENT_ORIGIN = setting('CLIENT_ORIGIN', {
  parse: origins,
  defaultFrom: { text: '`$PUBLIC_URL`', value: ({ of }) => [of(PUBLIC_URL)] },
  description:
    'Origins that browsers may call from; in production https, as above. The first is the frontend.',
});

/** The process and its address. */
export const SERVER_SETTINGS = settingsSection({
  title: 'Server',
  settings: {
    nodeEnv: NODE_ENV,
    host: setting('HOST', {
      parse: text,
      default: '127.0.0.1',
      description: 'Address to listen on. The container image sets `0.0.0.0`.',
      passedOn: false,
    }),
    port: PORT,
    publicUrl: PUBLIC_URL,
    clientOrigins: CLIENT_ORIGIN,
    linkPages: setting('LINK_PAGES', {
      parse: oneOf('gateway', 'client', 'off'),
      default: 'gateway',
      description:
        'Where mailed links open and sign-ins by redirect end: at pages of the gateway, at the first of `CLIENT_ORIGIN`, or nowhere (mails carry a code). See [pages behind links](#pages-behind-links).',
    }),
    trustedProxies: setting('TRUSTED_PROXIES', {
      parse: networks,
      default: [],
      description: 'Reverse proxies whose `X-Forwarded-For` is trusted; not `/0`, which is every client.',
    }),
    logLevel: setting('LOG_LEVEL', {
      parse: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
      default: 'info',
      description: 'The least severe lines that are logged. See [the log](#the-log).',
    }),
  },
  config: ({ nodeEnv, logLevel, ...http }) => ({
    production: nodeEnv === 'production',
    logLevel,
    http: {
      ...http,
      /** Origin under which a browser on this machine reaches the gateway, without a proxy. */
      localUrl: `http://${nameOf(http.host)}:${http.port}`,
    },
  }),
  check({ publicUrl, port, clientOrigins, linkPages }, rules) {
    checkPort(rules, port, publicUrl);
    if (linkPages === 'client' && !rules.isSet(CLIENT_ORIGIN)) {
      rules.problem('LINK_PAGES is client, so CLIENT_ORIGIN must be set too: mailed links open there');
    }
    if (!rules.production) return;
    const isSafe = (url: string) => url.startsWith('https:') || new URL(url).hostname === 'localhost';
    const rule = 'must begin with https:// when NODE_ENV=production (http only for localhost)';
    if (!isSafe(publicUrl)) rules.problem(`PUBLIC_URL ${rule}`);
    if (!clientOrigins.every(isSafe)) rules.problem(`CLIENT_ORIGIN ${rule}`);
  },
});

/** The name by which this machine reaches the address that the gateway listens on. */
function nameOf(host: string): string {
  if (['127.0.0.1', '::1', '0.0.0.0', '::'].includes(host)) return 'localhost';
  return isIPv6(host) ? `[${host}]` : host;
}

/** Whether an origin is on this machine, without a proxy that ends TLS. */
export function isHere(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

/** Links in mails and tokens name PUBLIC_URL, and lead nowhere when it names a port that has no listener. */
function checkPort(rules: SettingRules, port: number, publicUrl: string): void {
  const url = new URL(publicUrl);
  if (!isHere(publicUrl) || Number(url.port || 80) === port) return;
  const right = `http://${url.hostname}:${port}`;
  rules.warning(
    `PUBLIC_URL is ${publicUrl}, but PORT is ${port}: leave PUBLIC_URL out, or set PUBLIC_URL=${right}. Only a proxy or a container that maps the ports makes both right.`,
  );
}
