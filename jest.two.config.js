import { globSync, readFileSync } from 'node:fs';
import base from './jest.config.js';

/**
 * The tests that speak to a gateway, once more: each TestGateway is two processes on one PostgreSQL and one Redis, and
 * the requests of every client alternate between them (CONTRIBUTING.md). GATEHOUSE_TEST_SESSION_STORE names the store.
 */
process.env.GATEHOUSE_TEST_TOPOLOGY = 'two';

const files = globSync('tests/**/*.test.ts', { cwd: import.meta.dirname })
  .map((file) => ({ file, text: readFileSync(new URL(file, import.meta.url), 'utf8') }))
  .filter(({ text }) => /(TestGateway\.start|startBlockpassWorld)\(/.test(text))
  .map(({ file, text }) => ({ file, reason: /@topology one: (.+?)(?: \*\/)?$/m.exec(text)?.[1] }));

for (const { file, reason } of files) {
  if (reason) process.stderr.write(`ONE PROCESS ONLY: ${file}: ${reason}\n`);
}

/** @type {import('jest').Config} */
export default {
  ...base,
  testMatch: files.filter(({ reason }) => !reason).map(({ file }) => `<rootDir>/${file}`),
};
