/**
 * Every secret that occurs in the tests of this file, by value with its name, so that no log may contain one:
 * sent and received by clients, stored by browsers, mailed, and the keys.
 */
const secrets = new Map<string, string>();

/** Characters. A shorter secret (a six-digit code) may occur in a log by chance. */
const SHORTEST = 8;

const NAMES = /(password|token|secret|challenge|nonce|pepper|_key)$|^(recoveryCode|codes|uri)$/i;

export function noteSecret(name: string, value: string | null | undefined): void {
  // The spelling of a secret in a log line, which is JSON.
  const written = JSON.stringify(value ?? '').slice(1, -1);
  if (written.length >= SHORTEST) secrets.set(written, name);
}

/** Notes every value whose name is that of a secret, at any depth: variables, data, settings. */
export function noteSecrets(found: unknown, name = ''): void {
  if (typeof found === 'string') {
    if (NAMES.test(name)) noteSecret(name, found);
  } else if (found !== null && typeof found === 'object') {
    const isList = Array.isArray(found);
    for (const [key, value] of Object.entries(found)) noteSecrets(value, isList ? name : key);
  }
}

/** Notes the secrets in settings, some of which are lists. */
export function noteKeys(settings: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(settings)) noteSecrets(value?.split(','), name);
}

/** Notes the secrets in `Cookie`, and in each `Set-Cookie`. */
export function noteCookies(header: string): void {
  for (const [, name = '', value] of header.matchAll(/(gatehouse_\w+)=([^;]*)/g)) noteSecret(name, value);
}

/** @throws when a line contains a secret. */
export function refuseSecretsIn(lines: readonly string[]): void {
  const byStart = Map.groupBy(secrets, ([value]) => value.slice(0, SHORTEST));
  for (const line of lines) {
    for (let at = 0; at + SHORTEST <= line.length; at += 1) {
      const candidates = byStart.get(line.slice(at, at + SHORTEST)) ?? [];
      const [value, name] = candidates.find(([secret]) => line.startsWith(secret, at)) ?? [];
      if (value !== undefined) throw new Error(`the log holds a secret (${name}: ${value}): ${line}`);
    }
  }
}
