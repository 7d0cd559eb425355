import type { Parser } from '../settings.ts';

/** Parses REDIS_URL: one node, `redis://` or with TLS `rediss://`, with an optional database number as its path. */
export const redisUrl: Parser<string> = (value) => {
  const url = URL.parse(value);
  if (!url || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    throw new Error(
      'must be a URL that begins with redis:// or rediss://; Sentinel and Cluster are not in yet',
    );
  }
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw new Error('has a name or password that is not percent-encoded correctly');
  }
  // Nothing else is read from the URL: a parameter that is ignored would be a lie.
  if (!/^(\/\d{0,4})?$/.test(url.pathname) || url.search !== '' || url.hash !== '') {
    throw new Error(
      'may have a database number after the host, such as redis://host:6379/1, and nothing else',
    );
  }
  return value;
};
