import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { satisfies } from 'semver';

interface LockedPackage {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly engines?: { readonly node?: string };
}

/** People run `npm install` on these releases of Node: the last of 20, and the lines with long-term support. */
const INSTALLED_WITH = ['20.20.2', '22.23.3', '24.21.0'];

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, LockedPackage>;
};
const locked = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, entry]) => ({ ...entry, name: path.slice(path.lastIndexOf('node_modules/') + 13) }));

describe('the lock file', () => {
  it('has a SHA-512 checksum for every package, and names no mirror', () => {
    expect(locked.filter(({ integrity }) => !integrity?.startsWith('sha512-'))).toEqual([]);
    expect(locked.filter(({ resolved }) => resolved?.startsWith('http'))).toEqual([]);
  });

  it('has no package with an install script that package.json does not decide about', () => {
    const undecided = locked.filter(
      ({ name, hasInstallScript }) => hasInstallScript && !(name in manifest.allowScripts),
    );
    expect(undecided.map(({ name }) => name)).toEqual([]);
  });

  // Only the installation runs on the Node of npm. docs/supply-chain.md says what to do with a new entry.
  it('has no package for which npm warns about the Node of the installer', () => {
    // npm does not check optional packages.
    const warned = locked.filter(
      ({ optional, engines }) =>
        !optional && INSTALLED_WITH.some((node) => !satisfies(node, engines?.node ?? '*')),
    );
    expect(warned.map(({ name, engines }) => `${name} ${engines?.node}`)).toEqual([]);
    const { name, version } = manifest.devEngines.runtime;
    expect([name, INSTALLED_WITH.filter((node) => !satisfies(node, version))]).toEqual(['node', []]);
  });

  it('has two versions of a package in production only when docs/supply-chain.md gives the reason', () => {
    const versions = Map.groupBy(
      locked.filter(({ dev, devOptional }) => !dev && !devOptional),
      ({ name }) => name,
    );
    const doubled = [...versions].filter(
      ([, entries]) => new Set(entries.map(({ version }) => version)).size > 1,
    );
    const explained = /^## Packages in two versions$(.*?)^## /ms.exec(
      readFileSync('docs/supply-chain.md', 'utf8'),
    )?.[1];
    const named = [...(explained ?? '').matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    );
    expect(doubled.map(([name]) => name).toSorted()).toEqual(named.toSorted());
  });
});

describe('the bill of materials', () => {
  it('lists each installed package of production, and none that only development needs', () => {
    const bill = JSON.parse(execFileSync('npm', ['run', '--silent', 'sbom'], { encoding: 'utf8' })) as {
      components: { name: string; version: string; 'bom-ref': string }[];
      dependencies: { ref: string; dependsOn: string[] }[];
    };
    const installed = Object.entries(lock.packages)
      .filter(([path, { dev }]) => path !== '' && !dev && existsSync(path))
      .map(([path, { version }]) => `${path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`);
    const listed = bill.components.map(({ name, version }) => `${name}@${version}`);
    expect(listed.toSorted()).toEqual([...new Set(installed)].toSorted());
    // `npm sbom --omit dev` leaves it out, because a package of development uses it too.
    expect(listed).toContain(`jose@${lock.packages['node_modules/jose']?.version}`);

    const refs = new Set(bill.components.map((component) => component['bom-ref']));
    const [gateway, ...others] = bill.dependencies;
    expect(gateway?.dependsOn).toHaveLength(Object.keys(manifest.dependencies).length);
    expect(others.map(({ ref }) => ref).toSorted()).toEqual([...refs].toSorted());
    const used = bill.dependencies.flatMap(({ dependsOn }) => dependsOn);
    expect(used.filter((ref) => !refs.has(ref))).toEqual([]);
  }, 60_000);
});

describe('the container image', () => {
  // An installation for production leaves the optional packages out, and their settings would stop the start.
  it('gets every package that traces, metrics and error reports need', async () => {
    const { stdout } = spawnSync(process.execPath, ['scripts/telemetry-packages.js'], { encoding: 'utf8' });
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-telemetry-'));
    const args = ['--recursive', '--parents', '--target-directory', folder, ...stdout.trim().split('\n')];
    expect(spawnSync('cp', args).status).toBe(0);
    const imports = Object.keys(manifest.peerDependencies).map((name) => `await import('${name}');`);
    const options = ['--input-type=module', '--eval', imports.join('\n')];
    const ran = spawnSync(process.execPath, options, { cwd: folder, encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect(ran.stderr).toBe('');
    expect(imports.length).toBeGreaterThan(5);
  });
});

describe('the workflows', () => {
  const workflows = readdirSync('.github/workflows').map((name) =>
    readFileSync(`.github/workflows/${name}`, 'utf8'),
  );

  it('pin every action to a commit', () => {
    const used = workflows.flatMap((text) => [...text.matchAll(/uses: (.*)/g)].map(([, action]) => action));
    expect(used.length).toBeGreaterThan(4);
    expect(used.filter((action) => !/^[\w/-]+@[0-9a-f]{40} # v\d/.test(action ?? ''))).toEqual([]);
  });

  it('have no write access unless a job requests it', () => {
    for (const text of workflows) expect(text).toMatch(/^permissions:\n {2}contents: read\n(?! )/m);
  });
});

describe('the image', () => {
  const dockerfile = readFileSync('Dockerfile', 'utf8');

  it('is built from exactly the packages of the lock file', () => {
    const installs = [...dockerfile.matchAll(/npm (ci|install|i)\b/g)].map(([, command]) => command);
    expect(installs).toEqual(['ci', 'ci']);
  });

  it('takes its base image from an argument, which a release pins to a digest', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
    expect(bases).toEqual([`\${NODE_IMAGE}`, `\${NODE_IMAGE}`]);
    const release = readFileSync('.github/workflows/release.yml', 'utf8');
    expect(release).toMatch(/base=node:24-slim@\$digest/);
    expect(release).toMatch(/build-args: NODE_IMAGE=/);
  });
});
