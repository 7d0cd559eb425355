import { execFile } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LONGEST } from './support/longest-first.ts';
import { retriesOf, timingReason } from './support/timing-mark.ts';

/**
 * The files whose tests may be tried again. Each compares durations or lets a deadline of less than a second
 * pass, so a stall of the machine can fail it. A race is not about timing: its test must hold on a slow
 * machine too.
 */
const ABOUT_TIMING = [
  'tests/authentication/login-timing.test.ts',
  'tests/blockpass/upload-after-stall.test.ts',
  'tests/cli/doctor-deadline.test.ts',
  'tests/google/issuer-away.test.ts',
  'tests/graphql/subscribe-in-time.test.ts',
  'tests/http/overload.test.ts',
  'tests/http/request-age.test.ts',
  'tests/platform/database/operation-deadline.test.ts',
  'tests/platform/rate-limit/token-buckets.test.ts',
  'tests/platform/redis/redis-cluster.test.ts',
  'tests/platform/redis/redis-connection.test.ts',
  'tests/platform/redis/redis-sentinel.test.ts',
  'tests/sessions/redis-loss.test.ts',
];

const read = (file: string) => readFileSync(file, 'utf8');

describe('the mark @timing', () => {
  it('is in the first line of the listed files and of no others', () => {
    const marked = globSync('tests/**/*.ts').filter((file) => timingReason(read(file)) !== undefined);
    expect(marked.sort()).toEqual(ABOUT_TIMING);
  });

  it('is refused in a file that measures no time', () => {
    const unmeasured = ABOUT_TIMING.filter((file) => !/performance\.now\(\)|Date\.now\(\)/.test(read(file)));
    expect(unmeasured).toEqual([]);
  });

  it('counts in the first line only', () => {
    expect(timingReason('/** @timing: measures a second */\n')).toBe('measures a second');
    expect(timingReason('import x;\n/** @timing: measures a second */\n')).toBeUndefined();
    expect(timingReason('/** @timing */\n')).toBeUndefined();
  });
});

describe('the files that start first', () => {
  it('exist', () => {
    expect(LONGEST.filter((file) => !existsSync(file))).toEqual([]);
  });
});

describe('retries', () => {
  it('are set for marked files in CI', () => {
    const marked = '/** @timing: measures a second */\n';
    expect(retriesOf(marked, { CI: 'true' })).toBe(1);
    expect(retriesOf(marked, {})).toBe(0);
    expect(retriesOf('import x;\n', { CI: 'true' })).toBe(0);
  });

  it('are configured in one place', () => {
    const files = [
      'package.json',
      '.ci/run',
      ...globSync('are configured in one place'),
      ...globSync('tests/**/*.{ts,js}'),
    ];
    expect(files.filter((file) => /\.retryTimes\(/.test(read(file)))).toEqual([
      'tests/support/timing-retries.ts',
    ]);
  });
});

describe('a test that fails the first time in CI', () => {
  let folder: string;
  let output: string;
  let report: string;
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'gatehouse-retries-')));
    const failsOnce = `let tries = 0;\ntest('fails once', () => { tries += 1; if (tries < 2) throw new Error('too slow'); });\n`;
    await writeFile(join(folder, 'marked.test.cjs'), `/** @timing: measures a second */\n${failsOnce}`);
    await writeFile(join(folder, 'plain.test.cjs'), failsOnce);
    const config = {
      rootDir: folder,
      testMatch: ['**/*.test.cjs'],
      transform: {},
      setupFilesAfterEnv: [resolve('tests/support/timing-retries.ts')],
      reporters: ['default', resolve('tests/support/retry-reporter.ts')],
    };
    const failure = await promisify(execFile)(
      process.execPath,
      [
        '--experimental-vm-modules',
        'node_modules/jest/bin/jest.js',
        '--runInBand',
        '--config',
        JSON.stringify(config),
      ],
      { env: { ...process.env, CI: 'true', RETRY_REPORT: join(folder, 'report') } },
    ).then(
      () => ({ stderr: '' }),
      (error: { stderr: string }) => error,
    );
    output = failure.stderr;
    report = await readFile(join(folder, 'report'), 'utf8');
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true }));

  it('passes the second time when its file is marked, and fails when it is not', () => {
    expect(output).toMatch(/PASS \S*marked\.test\.cjs/);
    expect(output).toMatch(/FAIL \S*plain\.test\.cjs/);
    expect(output).toContain('1 failed, 1 passed, 2 total');
  });

  it('is reported at the end, beside the files that may be tried again', () => {
    expect(report.replaceAll(/\S*\/(?=marked)/g, '')).toBe(
      [
        'Tests that were tried again: 1',
        '  marked.test.cjs: fails once (passed)',
        'Files whose tests may be tried again, once:',
        '  marked.test.cjs: measures a second',
        '',
      ].join('\n'),
    );
  });
});

describe('a fixed wait', () => {
  /** Code for another process, and time limits that end together with what they limit. */
  const OTHERS = [
    'tests/blockpass/browser.test.ts',
    'tests/build.test.ts',
    'tests/cli/start.test.ts',
    'tests/fuzz/every-operation.test.ts',
    'tests/support/race.ts',
  ];

  it('gives its reason, because elapse() asks for one', () => {
    const waiting = globSync('tests/**/*.ts').filter((file) =>
      /setTimeout\((?:resolve|done)\b|from 'node:timers\/promises'/.test(read(file)),
    );
    expect(waiting.sort()).toEqual(OTHERS);
  });
});
