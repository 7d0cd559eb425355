/**
 * Prints the folders of the optional packages for traces, metrics and error reports, and of what they need: the
 * `peerDependencies` of package.json. `npm ci --omit=dev` leaves them out, since a clone has them for development; the container
 * image copies them, so that their settings work there. By package-lock.json, so with its versions and checksums.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** @type {{ packages: Record<string, { dependencies?: Record<string, string>, peerDependencies?: Record<string, string> }> }} */
const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));

/**
 * As Node finds it: the nearest folder on the way up.
 * @param {string} name
 * @param {string} from folder of the package that needs it
 */
function folderOf(name, from) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const folder = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (folder in packages) return folder;
    if (at === '') throw new Error(`package-lock.json has no ${name} for ${from}`);
  }
}

/** @type {Set<string>} */
const folders = new Set();
/** @param {string} name @param {string} from */
function add(name, from) {
  const folder = folderOf(name, from);
  if (folders.has(folder)) return;
  folders.add(folder);
  for (const needed of Object.keys(packages[folder]?.dependencies ?? {})) add(needed, folder);
}
for (const name of Object.keys(packages['']?.peerDependencies ?? {})) add(name, '');
process.stdout.write(`${[...folders].sort().join('\n')}\n`);
