/**
 * Browsers by tokens that only they send. Most of them also name browsers further down (RFC 9110 section 10.1.5 allows
 * that).
 */
const BROWSERS: ReadonlyArray<readonly [RegExp, string]> = [
  [/Edg(?:e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/(?:Firefox|FxiOS)\//, 'Firefox'],
  [/(?:Chrome|CriOS)\//, 'Chrome'],
  [/Version\/\S+ .*Safari\//, 'Safari'],
];
const SYSTEMS: ReadonlyArray<readonly [RegExp, string]> = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/CrOS/, 'ChromeOS'],
  [/Macintosh/, 'macOS'],
  [/Linux/, 'Linux'],
];

/**
 * Describes a user agent in words that a person recognises, such as `Firefox on Windows`. The words come only from
 * these lists, so that a client cannot put its own text into a mail. The result proves nothing: any client can send any
 * user agent.
 * @returns null when it names neither a browser nor a system of the lists.
 */
export function describeUserAgent(userAgent: string | null): string | null {
  const named = (list: ReadonlyArray<readonly [RegExp, string]>) =>
    list.find(([pattern]) => pattern.test(userAgent ?? ''))?.[1];
  const [browser, system] = [named(BROWSERS), named(SYSTEMS)];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? (system === undefined ? null : `an app on ${system}`);
}
