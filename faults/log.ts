import { openSync } from 'node:fs';
import type { Fault } from './support/fault.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

/** Seconds of work with a log that cannot be written. */
const WORK_FOR = 10;
/** Milliseconds within which a gateway ends after SIGTERM. */
const ENDS_WITHIN = 15_000;

function fault(name: string, what: string, log: () => 'unread' | number, inShort: boolean): Fault {
  return underTraffic({
    name: `log-${name}`,
    what,
    stores: ['postgres'],
    bounds: { healsWithin: 2 },
    inShort,
    world: { settings: () => ({ LOG_LEVEL: 'trace' }), log },
    async inject({ gateways, tally, postgres }) {
      await pause(WORK_FOR * 1000);
      const failed = tally.refused + tally.unanswered;
      if (failed > 0) tally.isWrong(`${failed} requests failed because of the log`);
      // Now every refusal is logged too.
      await postgres.stop();
      await postgres.start();
      const [gateway] = gateways;
      const ended = await Promise.race([gateway?.stop(), pause(ENDS_WITHIN)]);
      if (ended !== 0) tally.isWrong('SIGTERM did not end the gateway in order');
      await gateway?.start();
      tally.partIsBack();
    },
  });
}

export const log: readonly Fault[] = [
  fault('blocked', 'log pipe that nobody reads', () => 'unread', true),
  fault('full', 'log disk full', () => openSync('/dev/full', 'w'), false),
];
