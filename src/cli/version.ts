import { existsSync, readFileSync } from 'node:fs';

/** Seen from `dist/src/cli`, and from `src/cli`. The nearer file comes first: another project may lie above ours. */
const PLACES = ['../../package.json', '../../../package.json'].map((path) => new URL(path, import.meta.url));

/** The version of this gateway, as `package.json` has it. */
export function version(): string {
  const place = PLACES.find((candidate) => existsSync(candidate));
  if (place === undefined) return 'unknown';
  return (JSON.parse(readFileSync(place, 'utf8')) as { version: string }).version;
}
