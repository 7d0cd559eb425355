/** Browsers by what only they send; most of them also name those below (RFC 9110 section 10.1.5 leaves it to them). */
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
 * A user agent in words that a person recognizes, such as `Firefox on Windows`. The words come from these lists alone, so
 * the client cannot put text of its own into a mail. It proves nothing: anybody can send any user agent.
 * @returns null for one that names neither a browser nor a system of the lists.
 */
export function describeUserAgent(userAgent: string | null): string | null {
  const named = (list: ReadonlyArray<readonly [RegExp, string]>) =>
    list.find(([pattern]) => pattern.test(userAgent ?? ''))?.[1];
  const [browser, system] = [named(BROWSERS), named(SYSTEMS)];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? (system === undefined ? null : `an app on ${system}`);
}
