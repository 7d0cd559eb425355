import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { elapse, eventually } from './support/race.ts';

/** A small project with our build script. Its compiler is ours, or one that the test writes. */
let project: string;
const at = (path: string) => join(project, path);
const write = (path: string, content: string) => writeFile(at(path), content);
const built = () => readFile(at('dist/src/main.js'), 'utf8');

beforeEach(async () => {
  project = await realpath(await mkdtemp(join(tmpdir(), 'gatehouse-build-')));
  for (const path of ['scripts/build.js', 'tsconfig.json', 'tsconfig.build.json', 'package.json']) {
    await cp(path, at(path));
  }
  for (const folder of ['src', 'migrations', 'node_modules']) await mkdir(at(folder));
  await write('package-lock.json', '{}');
  await write('src/main.ts', 'export const release = 1;\n');
  await write('src/other.ts', 'export const other = 1;\n');
  await write('migrations/index.ts', 'export const MIGRATIONS = [];\n');
});
afterEach(() => rm(project, { recursive: true, force: true }));

async function installTypeScript(): Promise<void> {
  for (const name of ['typescript', '@types']) {
    await symlink(resolve('node_modules', name), at(join('node_modules', name)));
  }
}

/** Installs a compiler that logs its start and end in `log`, and waits in between for a file `go`. */
async function installSlowCompiler(): Promise<void> {
  await mkdir(at('node_modules/typescript/bin'), { recursive: true });
  await write('node_modules/typescript/package.json', '{ "name": "typescript", "type": "module" }');
  await write(
    'node_modules/typescript/bin/tsc',
    `import { appendFileSync, cpSync, existsSync } from 'node:fs';
     appendFileSync('log', 'start ');
     while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 20));
     for (const file of ['src/main', 'src/other', 'migrations/index']) cpSync(file + '.ts', 'dist/' + file + '.js');
     appendFileSync('log', 'end ');`,
  );
}

function start(environment: NodeJS.ProcessEnv = {}): { child: ChildProcess; ended: Promise<string> } {
  const child = spawn(process.execPath, ['scripts/build.js'], {
    cwd: project,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]).then(
    ([[code], output, errors]) => `${code}: ${output}${errors}`,
  );
  return { child, ended };
}

/** Runs the script. @returns the exit code and everything that it printed */
const run = (environment?: NodeJS.ProcessEnv): Promise<string> => start(environment).ended;
const NOTHING_DONE = '0: ';
const BUILT_FIRST = '0: Building for the first time.\n';
const BUILT = '0: Building, because something changed.\n';

describe('the build', () => {
  it('does nothing when no source changed', async () => {
    await installTypeScript();
    expect(await run()).toBe(BUILT_FIRST);
    expect(await run()).toBe(NOTHING_DONE);
    const later = new Date(Date.now() + 60_000);
    await utimes(at('src/main.ts'), later, later);
    await write('src/.main.ts.swp', 'a file of an editor');
    expect(await run()).toBe(NOTHING_DONE);
  });

  it.each<[string, () => Promise<void>]>([
    ['the content of a source', () => write('src/main.ts', 'export const release = 2;\n')],
    ['a new source', () => write('src/third.ts', 'export const third = 1;\n')],
    ['a removed source', () => rm(at('src/other.ts'))],
    ['a migration', () => write('migrations/index.ts', 'export const MIGRATIONS = [1];\n')],
    [
      'the settings of the compiler',
      async () => write('tsconfig.json', `${await readFile('tsconfig.json')}\n`),
    ],
    ['the installed packages', () => write('package-lock.json', '{ "lockfileVersion": 3 }')],
    ['a removed output', () => rm(at('dist/src/other.js'))],
    ['a removed folder of outputs', () => rm(at('dist/migrations'), { recursive: true })],
  ])('runs after a change of %s', async (_, change) => {
    await installTypeScript();
    await run();
    await change();
    expect(await run()).toBe(BUILT);
    if (existsSync(at('src/other.ts'))) expect(existsSync(at('dist/src/other.js'))).toBe(true);
    expect(await run()).toBe(NOTHING_DONE);
  });

  it('runs when another compiler wrote into dist, even when the sources are unchanged', async () => {
    await installTypeScript();
    await run();
    await write('src/main.ts', 'export const release = 2;\n');
    const compiler = spawn(
      process.execPath,
      [resolve('node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
      {
        cwd: project,
      },
    );
    await once(compiler, 'exit');
    expect(await built()).toContain('release = 2');
    await write('src/main.ts', 'export const release = 1;\n');
    expect(await run()).toBe(BUILT);
    expect(await built()).toContain('release = 1');
  });

  it('is repeated after a failure, until it succeeds', async () => {
    await installTypeScript();
    await write('src/main.ts', 'export const release: string = 2;\n');
    for (let attempt = 0; attempt < 2; attempt++) expect(await run()).toMatch(/^[1-9].*TS2322/s);
    await write('src/main.ts', 'export const release = 2;\n');
    expect(await run()).toBe(BUILT);
  });

  it('lists missing packages when it fails', async () => {
    await installTypeScript();
    await write(
      'package.json',
      '{ "type": "module", "dependencies": { "left-out": "1" }, "devDependencies": { "typescript": "7" } }',
    );
    await write('src/main.ts', `import 'left-out/part.js';\n`);
    expect(await run()).toMatch(/^[1-9]: .*\nNot installed: left-out\. Run "npm install"\.\n$/s);
  });

  it('runs once for two commands that start at once', async () => {
    await installSlowCompiler();
    const commands = [start(), start(), start()];
    await eventually(
      () => readFile(at('log'), 'utf8').catch(() => ''),
      (log) => log !== '',
    );
    await elapse(500, 'the others reach the lock, and a second compiler would note its start');
    await write('go', '');
    const reports = await Promise.all(commands.map(({ ended }) => ended));
    expect(reports.sort()).toEqual([NOTHING_DONE, NOTHING_DONE, BUILT_FIRST]);
    expect(await readFile(at('log'), 'utf8')).toBe('start end ');
  });

  it('is not blocked by a build that was killed', async () => {
    await installSlowCompiler();
    const killed = start();
    await eventually(
      () => readFile(at('log'), 'utf8').catch(() => ''),
      (log) => log !== '',
    );
    killed.child.kill('SIGKILL');
    await once(killed.child, 'exit');
    await write('go', '');
    expect(await run()).toMatch(/^0: Building/);
    expect(await built()).toContain('release = 1');
  });

  it('runs again when a file is saved during a build', async () => {
    await installSlowCompiler();
    const first = start();
    await eventually(
      () => readFile(at('log'), 'utf8').catch(() => ''),
      (log) => log !== '',
    );
    await write('src/other.ts', 'export const other = 2;\n');
    await write('go', '');
    expect(await first.ended).toBe(BUILT_FIRST);
    expect(await run()).toBe(BUILT);
    expect(await run()).toBe(NOTHING_DONE);
  });

  it('says once, in one line, that npm runs an old Node', async () => {
    await installTypeScript();
    const userAgent = (version: string) => ({
      npm_config_user_agent: `npm/10.8.2 node/v${version} linux x64`,
    });
    expect(await run(userAgent('20.20.2'))).toMatch(/^0: Building.*\nNode 20\.20\.2 no longer gets .*\n$/);
    await write('src/main.ts', 'export const release = 2;\n');
    expect(await run(userAgent('20.20.2'))).toBe(BUILT);
    await rm(at('dist'), { recursive: true });
    expect(await run(userAgent('22.12.0'))).toBe(BUILT_FIRST);
  });
});

describe('without TypeScript, as after "npm prune --omit=dev"', () => {
  it('uses the existing build', async () => {
    await installTypeScript();
    await run();
    await rm(at('node_modules'), { recursive: true });
    expect(await run()).toBe(NOTHING_DONE);
    await write('src/main.ts', 'export const release = 2;\n');
    expect(await run()).toMatch(/^0: Warning: dist was not built from these sources\./);
    await rm(at('src'), { recursive: true });
    expect(await run()).toBe(NOTHING_DONE);
  });

  it('says what to run when there is no build', async () => {
    expect(await run()).toMatch(/^1: Gatehouse is not built, .*"npm install --include=dev"/);
  });
});

describe('the Procfile', () => {
  it('migrates before a release, and replaces the shell so that the gateway receives signals', async () => {
    const lines = (await readFile('Procfile', 'utf8')).trim().split('\n');
    expect(lines).toEqual([
      'release: node -- dist/src/main.js migrate up',
      expect.stringMatching(/^web: HOST=\S+ exec node -- dist\/src\/main\.js start$/),
    ]);
  });
});
