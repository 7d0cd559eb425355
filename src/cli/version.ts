import { existsSync, readFileSync } from 'node:fs';

/**
 * Relative to `dist/src/cli` and to `src/cli`. The nearer file comes first, because another project may contain ours.
 */
const PLACES = ['../../package.json', '../../../package.json'].map((path) => new URL(path, import.meta.url));

/** The version of this gateway in `package.json`. */
export function version(): string {
  const place = PLACES.find((candidate) => existsSync(candidate));
  if (place === undefined) return 'unknown';
  return (JSON.parse(readFileSync(place, 'utf8')) as { version: string }).version;
}
