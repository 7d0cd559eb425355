import { isIP } from 'node:net';
import { type Keyring, keyFromBytes } from './keyring.ts';
import type { Parser } from './settings.ts';

/** @param accepts the texts that the parser takes, in Markdown; docs/configuration.md and `.env.example` show it */
export const accepting = <T>(accepts: string, parse: (text: string) => T): Parser<T> =>
  Object.assign((value: string) => parse(value), { accepts });

export const text: Parser<string> = (value) => value;

export function wholeNumber({ min, max }: { min: number; max: number }): Parser<number> {
  return accepting(`${min} to ${max}`, (value) => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Error(`must be a whole number from ${min} to ${max}`);
    return number;
  });
}

/** A number from 0 to 1. */
export const share = accepting('0 to 1', (value): number => {
  const number = /^(0|1|0?\.\d+|1\.0+)$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= 0 && number <= 1)) throw new Error('must be a number from 0 to 1');
  return number;
});

export function oneOf<const T extends string>(...choices: readonly T[]): Parser<T> {
  const accepts = choices.map((choice) => `\`${choice}\``).join(', ');
  return accepting(accepts.replace(/, (?=[^,]*$)/, ' or '), (value) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new Error(`must be one of ${choices.join(', ')}`);
    return choice;
  });
}

function onOrOff(value: string): boolean {
  if (['true', 'on', '1', 'yes'].includes(value.toLowerCase())) return true;
  if (['false', 'off', '0', 'no'].includes(value.toLowerCase())) return false;
  throw new Error('must be true or false');
}

export const flag = accepting('`true` or `false`', onOrOff);

/** The same values as a `flag`; the documents write this one as on and off. */
export const onOff: Parser<boolean> = Object.assign(accepting('`on` or `off`', onOrOff), {
  print: (value: boolean) => (value ? 'on' : 'off'),
});

/** The items of a comma list, without those that are empty. */
export const list = accepting('comma list', (value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** Comma list of names of services, or URIs (RFC 7519 section 2, StringOrURI; RFC 8707 section 2). */
export const audiences = accepting('comma list of at most 100 names or URIs', (value): string[] => {
  const names = list(value);
  if (names.length > 100 || !names.every((name) => /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/.test(name))) {
    throw new Error('must be a comma list of at most 100 names or URIs, without spaces and quotes');
  }
  return [...new Set(names)];
});

/** An origin (RFC 6454): scheme, host and port, without path, query or credentials. */
export const origin = accepting('`http(s)://host:port`', (value): string => {
  const url = URL.parse(value);
  if (!url || !['http:', 'https:'].includes(url.protocol)) throw new Error('must be an http or https URL');
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password) {
    throw new Error('must be an origin: scheme, host and port only');
  }
  return url.origin;
});

export function urlOf(...protocols: readonly string[]): Parser<string> {
  const schemes = protocols.map((name) => `\`${name}//…\``).join(' or ');
  return accepting(schemes, (value) => {
    const url = URL.parse(value);
    if (!url || !protocols.includes(url.protocol)) {
      throw new Error(`must be a URL that begins with ${protocols.map((name) => `${name}//`).join(' or ')}`);
    }
    return value;
  });
}

/** As Sentry shows it: `https://KEY@HOST/PROJECT`. */
export const sentryDsn = accepting('`https://KEY@HOST/PROJECT`', (value): string => {
  const url = URL.parse(value);
  const isDsn =
    url !== null &&
    ['http:', 'https:'].includes(url.protocol) &&
    url.username !== '' &&
    /\/\d+$/.test(url.pathname);
  if (!isDsn) throw new Error('must be a DSN as Sentry shows it: https://KEY@HOST/PROJECT');
  return value;
});

/** Comma list of base64 keys of 32 bytes; the first one writes, all read. */
export const keyring = accepting(
  'base64 of 32 random bytes, from `openssl rand -base64 32`, or a comma list of such keys',
  (value): Keyring => {
    const [first, ...rest] = list(value).map((item) => {
      const bytes = Buffer.from(item, 'base64');
      if (bytes.length !== 32 || bytes.toString('base64').replace(/=+$/, '') !== item.replace(/=+$/, '')) {
        throw new Error(
          'must be base64 of exactly 32 bytes (openssl rand -base64 32), or a comma list of such keys',
        );
      }
      if (new Set(bytes).size < 8)
        throw new Error('is a placeholder: make a random key with openssl rand -base64 32');
      return keyFromBytes(bytes);
    });
    if (!first) throw new Error('is empty');
    return [first, ...rest];
  },
);

/** Addresses and CIDR networks (RFC 4632, RFC 4291). */
export const networks = accepting(
  'comma list of IP addresses and networks, such as `10.0.0.0/8,::1`',
  (value): string[] => {
    const items = list(value);
    for (const item of items) {
      const [address = '', prefix, ...more] = item.split('/');
      const version = isIP(address);
      const bits = prefix === undefined ? undefined : Number(prefix);
      // A network of 0 bits is everybody: trusting that is never meant.
      const fits =
        bits === undefined ||
        (/^\d{1,3}$/.test(prefix ?? '') && bits >= 1 && bits <= (version === 4 ? 32 : 128));
      const valid = version !== 0 && more.length === 0 && fits;
      if (!valid) throw new Error('must be a comma list of addresses and networks, such as 10.0.0.0/8,::1');
    }
    return items;
  },
);

export const hostName = accepting('domain name', (value): string => {
  if (!/^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/.test(value)) {
    throw new Error('must be a domain name, such as example.com');
  }
  return value;
});

/** A name that stands in mail headers and key URIs: no control characters, quotes, brackets or colons. */
export const plainName = accepting("1 to 50 letters, digits, spaces and `. & ' _ -`", (value): string => {
  if (!/^[\p{L}\p{N}][\p{L}\p{N} .&'_-]{0,49}$/u.test(value)) {
    throw new Error("must be 1 to 50 letters, digits, spaces and . & ' _ -");
  }
  return value;
});

/** `Name <address>` or an address alone (RFC 5322 section 3.4, the simple form). */
export const mailbox = accepting('`Name <address>` or an address alone', (value): string => {
  if (!/^(?:[^<>"\r\n]{1,100} <[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/.test(value)) {
    throw new Error('must be an address, such as "Gatehouse <no-reply@example.com>"');
  }
  return value;
});

/** Where routes are mounted: a path that begins with a slash and ends without one. */
export const routePrefix = accepting('path without a slash at its end', (value): string => {
  if (!/^(\/[A-Za-z0-9._-]+)+$/.test(value)) throw new Error('must be a path, such as /app/api');
  return value;
});

/** The scheme of a URI (RFC 3986 section 3.1). */
export const uriScheme = accepting('scheme without `://`', (value): string => {
  if (!/^[a-z][a-z0-9+.-]*$/.test(value)) throw new Error('must be the scheme of a link, without ://');
  return value;
});

/** A name for machines, as services use it for fields and certificates. */
export const slug = accepting('small letters, digits, dashes and underscores', (value): string => {
  if (!/^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/.test(value)) {
    throw new Error('must consist of small letters, digits, dashes and underscores');
  }
  return value;
});

export const slugs = accepting('comma list', (value) => [...new Set(list(value).map(slug))]);

/** A comma list of origins. */
export const origins = accepting('comma list of `http(s)://host:port`', (value) => list(value).map(origin));

/** Form of a compressed Bitcoin private key of the main network; its checksum is tested where it is used. */
export const walletImportFormat = accepting('compressed, in wallet import format', (value): string => {
  if (!/^[KL][1-9A-HJ-NP-Za-km-z]{51}$/.test(value)) {
    throw new Error('must be a compressed Bitcoin private key in wallet import format');
  }
  return value;
});
