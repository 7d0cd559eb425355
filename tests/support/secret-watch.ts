/**
 * Every secret that passes a test of this file, so that no log may hold one: what clients send and are answered, what
 * browsers keep, what is mailed, and the keys. By value, each with what it is called.
 */
const secrets = new Map<string, string>();

/** Characters. What is shorter (a six-digit code) may stand in a log by chance. */
const SHORTEST = 8;

const NAMES = /(password|token|secret|challenge|nonce|pepper|_key)$|^(recoveryCode|codes|uri)$/i;

export function noteSecret(name: string, value: string | null | undefined): void {
  // As it would stand in a line, which is JSON.
  const written = JSON.stringify(value ?? '').slice(1, -1);
  if (written.length >= SHORTEST) secrets.set(written, name);
}

/** Notes whatever is called as secrets are, however deep: variables, data, settings. */
export function noteSecrets(found: unknown, name = ''): void {
  if (typeof found === 'string') {
    if (NAMES.test(name)) noteSecret(name, found);
  } else if (found !== null && typeof found === 'object') {
    const isList = Array.isArray(found);
    for (const [key, value] of Object.entries(found)) noteSecrets(value, isList ? name : key);
  }
}

/** Of settings, some of which are lists. */
export function noteKeys(settings: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(settings)) noteSecrets(value?.split(','), name);
}

/** Of `Cookie`, and each of `Set-Cookie`. */
export function noteCookies(header: string): void {
  for (const [, name = '', value] of header.matchAll(/(gatehouse_\w+)=([^;]*)/g)) noteSecret(name, value);
}

/** @throws when a line holds a secret. */
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
