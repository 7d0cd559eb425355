import { jest } from '@jest/globals';

/** TEST_RETRIES: for machines of others (.ci/run). Whoever changes code wants to see a test fail the first time. */
const retries = Number(process.env.TEST_RETRIES ?? 0);
if (retries > 0) jest.retryTimes(retries, { logErrorsBeforeRetry: true });
