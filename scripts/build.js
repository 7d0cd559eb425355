/**
 * Compiles `src` and `migrations` into `dist`, when they changed since the last build. `npm start` and every command
 * run this first. It is plain JavaScript, since it runs before anything is built, and where TypeScript is not
 * installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (/** @type {string} */ path) => join(ROOT, path);

const SOURCE_FOLDERS = ['src', 'migrations'];
const SOURCE_FILES = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
const ENTRY = at('dist/src/main.js');
/** The compiler's own record of its last output, by content. */
const BUILD_INFO = at('dist/.tsbuildinfo');
/** Two checksums, written after a successful build: of the sources, and of BUILD_INFO. */
const STAMP = at('dist/.built');
const LOCK = at('dist/.build-lock');
/** Milliseconds. A build takes about 10 s on a busy machine. */
const LOCK_WAIT = 120_000;

/** @returns {Promise<number>} the exit code */
async function main() {
  // A deployment may contain only `dist`.
  if (!existsSync(at('src'))) return useWhatIsBuilt();
  if (isCurrent(sourceFiles())) return 0;
  const compiler = findCompiler();
  if (compiler === undefined) return useWhatIsBuilt();
  return locked(() => {
    // Another command may have built while this one waited for the lock.
    const sources = sourceFiles();
    return isCurrent(sources) ? 0 : build(compiler, sources);
  });
}

function sourceFiles() {
  const inFolders = SOURCE_FOLDERS.flatMap((folder) =>
    readdirSync(at(folder), { recursive: true, withFileTypes: true })
      // Editors briefly keep files of their own next to these.
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1)),
  );
  return [...SOURCE_FILES.filter((file) => existsSync(at(file))), ...inFolders.sort()];
}

/**
 * Whether the build is current. Compares the content instead of the time: a checkout changes times without a change,
 * and may restore an older file. The compiler's record is compared too, since `npm run dev` and a manual compiler run
 * write into the same folder.
 */
function isCurrent(/** @type {string[]} */ sources) {
  return (
    existsSync(STAMP) &&
    readFileSync(STAMP, 'utf8') === stampOf(sources) &&
    outputsMissing(sources).length === 0
  );
}

function stampOf(/** @type {string[]} */ sources) {
  const checksum = createHash('sha256');
  for (const file of sources) {
    const content = readFileSync(at(file));
    checksum.update(`${file}\0${content.length}\0`).update(content);
  }
  const info = existsSync(BUILD_INFO) ? readFileSync(BUILD_INFO) : '';
  return `${checksum.digest('hex')}\n${createHash('sha256').update(info).digest('hex')}\n`;
}

function outputsMissing(/** @type {string[]} */ sources) {
  return sources
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => at(join('dist', file.replace(/\.ts$/, '.js'))))
    .filter((file) => !existsSync(file));
}

function build(/** @type {string} */ compiler, /** @type {string[]} */ sources) {
  const isFirst = !existsSync(ENTRY);
  rmSync(STAMP, { force: true });
  // An incremental compiler does not rewrite output that it assumes to exist.
  if (outputsMissing(sources).length > 0) rmSync(BUILD_INFO, { force: true });
  say(isFirst ? 'Building for the first time.' : 'Building, because something changed.');
  if (isFirst) noteOldNode();
  const before = sourcesOf(stampOf(sources));
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    // Standard output belongs to the command that follows.
    stdio: ['ignore', process.stderr, process.stderr],
  });
  if (status !== 0) {
    noteMissingPackages();
    return status ?? 1;
  }
  const after = stampOf(sources);
  // When a file was saved during the build, the next command builds again.
  if (sourcesOf(after) === before) writeFileSync(STAMP, after);
  return 0;
}

function sourcesOf(/** @type {string} */ stamp) {
  return stamp.split('\n')[0];
}

/**
 * Warns of an old Node. Scripts of npm run on the Node 24 of the package `node`, but npm itself runs on the Node of
 * this machine.
 */
function noteOldNode() {
  const [, version, major] = /\bnode\/v((\d+)\.\S+)/.exec(process.env.npm_config_user_agent ?? '') ?? [];
  if (version === undefined || Number(major) >= 22) return;
  say(
    `Node ${version} no longer gets security fixes. These scripts run on the Node ${process.versions.node} that npm installed here.`,
  );
}

/** Names missing packages, for example after a pull. The compiler only says that it cannot find a module. */
function noteMissingPackages() {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
  const missing = Object.keys({ ...dependencies, ...devDependencies }).filter(
    (name) => !existsSync(at(`node_modules/${name}`)),
  );
  if (missing.length > 0) say(`Not installed: ${missing.join(', ')}. Run "npm install".`);
}

/** @returns the path of the TypeScript compiler, a development dependency; undefined when it is not installed. */
function findCompiler() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
  } catch {
    return undefined;
  }
}

function useWhatIsBuilt() {
  if (!existsSync(ENTRY)) {
    return refuse(
      'Gatehouse is not built, and TypeScript is not installed here. Run "npm install --include=dev", then "npm run build".',
    );
  }
  if (existsSync(at('src'))) {
    say(
      'Warning: dist was not built from these sources. TypeScript is not installed here, so dist is used as it is.',
    );
  }
  return 0;
}

/**
 * Runs `work` in one process at a time. SQLite holds the lock in the kernel, which releases it when its holder dies. A
 * lock file with a process number would need a rule for stale files.
 */
async function locked(/** @type {() => number} */ work) {
  mkdirSync(at('dist'), { recursive: true });
  if (Number.parseInt(process.versions.node, 10) < 24) {
    return refuse(
      'The build needs Node 24. Run it by "npm run build", which uses the one that npm installed here.',
    );
  }
  const { DatabaseSync } = await import('node:sqlite');
  const lock = new DatabaseSync(LOCK, { timeout: LOCK_WAIT });
  try {
    lock.exec('begin exclusive');
    return work();
  } finally {
    lock.close();
  }
}

function say(/** @type {string} */ line) {
  process.stderr.write(`${line}\n`);
}

function refuse(/** @type {string} */ reason) {
  say(reason);
  return 1;
}

process.exitCode = await main();
