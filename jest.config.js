/** Tests run on the TypeScript sources, in ESM, against a real PostgreSQL that the global set-up starts. */
/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['<rootDir>/tests/**/*.test.ts'],
  setupFiles: ['reflect-metadata', '<rootDir>/tests/support/plugin-names.js'],
  setupFilesAfterEnv: ['<rootDir>/tests/support/timing-retries.ts'],
  reporters: ['default', '<rootDir>/tests/support/retry-reporter.ts'],
  globalSetup: '<rootDir>/tests/support/global-setup.js',
  globalTeardown: '<rootDir>/tests/support/global-teardown.js',
  testSequencer: '<rootDir>/tests/support/longest-first.ts',
  testTimeout: 120_000,
  // Most tests wait for a database, a timer or a process: on two cores Jest alone would run one file at a time.
  maxWorkers: 4,
  // Jest never frees the modules of a file that are ES modules: 60 MB for each. A worker starts anew beyond this.
  workerIdleMemoryLimit: '1500MB',
  collectCoverageFrom: ['src/**/*.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: false, useDefineForClassFields: false },
        },
        module: { type: 'es6' },
      },
    ],
  },
};
