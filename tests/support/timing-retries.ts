import { readFileSync } from 'node:fs';
import { expect, jest } from '@jest/globals';
import { retriesOf } from './timing-mark.ts';

const { testPath = '' } = expect.getState();
const retries = retriesOf(readFileSync(testPath, 'utf8'), process.env);
if (retries > 0) jest.retryTimes(retries, { logErrorsBeforeRetry: true });
