import { appendFileSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { timingReason } from './timing-mark.ts';

interface FileResult {
  readonly testFilePath: string;
  readonly testResults: ReadonlyArray<{ fullName: string; invocations?: number; status: string }>;
}

/**
 * Appends to the file RETRY_REPORT the tests that were tried again and the files that may be, for the end of
 * `.ci/run`.
 */
export default class RetryReporter {
  onRunComplete(_contexts: unknown, { testResults }: { testResults: readonly FileResult[] }): void {
    const report = process.env.RETRY_REPORT;
    if (!report) return;
    const again: string[] = [];
    const marked: string[] = [];
    for (const { testFilePath, testResults: tests } of testResults) {
      const file = relative(process.cwd(), testFilePath);
      const reason = timingReason(readFileSync(testFilePath, 'utf8'));
      if (reason !== undefined) marked.push(`  ${file}: ${reason}`);
      for (const { fullName, invocations = 1, status } of tests)
        if (invocations > 1) again.push(`  ${file}: ${fullName} (${status})`);
    }
    appendFileSync(
      report,
      [
        `Tests that were tried again: ${again.length}`,
        ...again,
        'Files whose tests may be tried again, once:',
        ...marked.sort(),
        '',
      ].join('\n'),
    );
  }
}
