import { createRequire } from 'node:module';
import { relative } from 'node:path';

// Its type declarations describe the CommonJS module. An import gets the ES module.
const { default: Sequencer } = createRequire(import.meta.url)(
  '@jest/test-sequencer',
) as typeof import('@jest/test-sequencer');

type Tests = Parameters<InstanceType<typeof Sequencer>['sort']>[0];

/**
 * Files that took more than 20 s alone on two cores, the longest first. Most of that time they wait. Jest orders by the durations
 * of the last run, and without one by size: a clone that is tested for the first time would end with one of these alone.
 */
export const LONGEST: readonly string[] = [
  'tests/platform/database/lost-sign-in.test.ts',
  'tests/http/request-age.test.ts',
  'tests/platform/audit-stream.test.ts',
  'tests/fuzz/every-operation.test.ts',
  'tests/http/browser-client.test.ts',
  'tests/google/issuer-away.test.ts',
  'tests/cli/start.test.ts',
  'tests/sessions/two-processes.test.ts',
  'tests/http/hostile-clients.test.ts',
  'tests/blockpass/slow-upload.test.ts',
  'tests/blockpass/completion.test.ts',
  'tests/platform/mail/delivery.test.ts',
  'tests/platform/database/away.test.ts',
  'tests/authentication/login-timing.test.ts',
  'tests/platform/database/several-hosts.test.ts',
  'tests/sessions/refused-refreshes.test.ts',
];

/** Starts the longest files first, so that both cores are busy until the end. */
export default class LongestFirst extends Sequencer {
  override async sort(tests: Tests): Promise<Tests> {
    const rank = ({ path }: Tests[number]) => {
      const at = LONGEST.indexOf(relative(process.cwd(), path));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(tests)).toSorted((a, b) => rank(a) - rank(b));
  }
}
