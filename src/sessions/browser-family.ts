/**
 * Browser families and their product tokens, from MDN's "Browser detection using the user agent string". Many user
 * agents also name the browser that they imitate, so the most specific comes first.
 */
const BROWSERS: ReadonlyArray<readonly [family: string, token: RegExp]> = [
  ['edge', /\bEdg(?:e|A|iOS)?\//],
  ['opera', /\b(?:OPR|OPiOS|Opera)\//],
  ['samsung internet', /\bSamsungBrowser\//],
  ['vivaldi', /\bVivaldi\//],
  ['yandex', /\bYaBrowser\//],
  ['uc browser', /\bUCBrowser\//],
  ['firefox', /\b(?:Firefox|FxiOS)\//],
  ['chrome', /\b(?:Chrome|CriOS|Chromium|HeadlessChrome)\//],
  ['safari', /\bVersion\/[\d.]+ .*\bSafari\//],
];

/**
 * Returns the browser or client that a user agent names, without its version, since an update must not look like
 * another client. A client that is not a browser is named by its product tokens. Null only when there is no user agent.
 * The result compares two requests of one session. It is never a proof, since any client may send any text.
 */
export function browserFamily(userAgent: string | null): string | null {
  if (userAgent === null) return null;
  const known = BROWSERS.find(([, token]) => token.test(userAgent));
  if (known) return known[0];
  // RFC 9110 section 10.1.5: products are "name/version", comments stand in parentheses.
  const products = userAgent.replace(/\([^)]*\)/g, ' ').match(/[^\s/]+(?:\/\S*)?/g) ?? [];
  return products.map((product) => product.split('/')[0]?.toLowerCase()).join(' ');
}
