/**
 * Prints a bill of materials (CycloneDX) of the packages that production has, without development dependencies.
 *
 * `npm sbom --omit dev` also leaves out packages that production and development share, and their dependencies
 * (https://github.com/npm/cli/issues/7909). So this asks npm for all packages, and leaves out those that package-lock.json has
 * for development alone.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const INSTALLED_IN = 'node_modules/';
/** The property of CycloneDX by which npm marks packages of development. */
const DEVELOPMENT = 'cdx:npm:package:development';
/** Bytes; npm prints about 1 MB. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/** @typedef {{ name: string, version: string, 'bom-ref': string, properties?: { name: string }[] }} Component */
/** @typedef {{ ref: string, dependsOn?: string[] }} Dependency */
/** @typedef {{ components: Component[], dependencies: Dependency[] }} Bill */

/** @returns {Bill} of all packages, development included */
function billOfAll() {
  const npm = process.env.npm_execpath;
  if (npm === undefined) throw new Error('Run it by npm: npm run --silent sbom');
  const args = [npm, 'sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error('npm sbom failed. Its reason is above.');
  return JSON.parse(stdout);
}

/** @type {{ packages: Record<string, { version: string, dev?: boolean, dependencies?: Record<string, string> }> }} */
const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
const { '': gateway, ...installed } = packages;

/** name@version. One version of a package may stand in several places: it is of production when one of them is. */
const ofProduction = new Set(
  Object.entries(installed)
    .filter(([, { dev }]) => !dev)
    .map(
      ([path, { version }]) =>
        `${path.slice(path.lastIndexOf(INSTALLED_IN) + INSTALLED_IN.length)}@${version}`,
    ),
);

const bill = billOfAll();
bill.components = bill.components
  .filter(({ name, version }) => ofProduction.has(`${name}@${version}`))
  // npm describes one place of a package, which may be one of development.
  .map(({ properties = [], ...component }) => ({
    ...component,
    properties: properties.filter(({ name }) => name !== DEVELOPMENT),
  }));

const refs = new Set(bill.components.map((component) => component['bom-ref']));
const direct = Object.keys(gateway?.dependencies ?? {}).map((name) => `${name}@`);
// The first entry is the gateway itself, which is not a component.
bill.dependencies = bill.dependencies
  .filter(({ ref }, index) => index === 0 || refs.has(ref))
  .map(({ ref, dependsOn = [] }, index) => ({
    ref,
    dependsOn: dependsOn.filter(
      (used) => refs.has(used) && (index > 0 || direct.some((name) => used.startsWith(name))),
    ),
  }));
process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`);
