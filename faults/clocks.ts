import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Fault } from './support/fault.ts';
import { missing, STORES } from './support/installed.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

/** Seconds. Just below the offset at which a gateway refuses to start. */
const APART = 290;
const FAR_APART = 70 * 60;
const WORK_FOR = 10;

/** Preloads libfaketime, which gives a process another time, except for the monotonic clock. */
function fakeTime(): Record<string, string> {
  const { stdout } = spawnSync('faketime', ['-f', '+0s', 'env'], { encoding: 'utf8' });
  const preload = /^LD_PRELOAD=(.+)$/m.exec(stdout ?? '')?.[1] ?? '';
  return { LD_PRELOAD: preload, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

const apart = underTraffic({
  name: 'clocks-apart',
  what: `clocks of two gateways ${Math.round((2 * APART) / 60)} minutes apart`,
  stores: STORES,
  bounds: { healsWithin: 1 },
  missing: () => missing('faketime'),
  world: {
    settings: (_world, index) => ({ ...fakeTime(), FAKETIME: `${index === 0 ? '+' : '-'}${APART}s` }),
  },
  async inject({ tally }) {
    tally.partIsBack();
    await pause(WORK_FOR * 1000);
  },
});

let clockFile: string;

/** A running gateway goes on, by the time of the database. A gateway that starts with this clock refuses. */
const leapt = underTraffic({
  name: 'clocks-leap',
  what: `clock of a gateway leaps ${FAR_APART / 60} minutes`,
  stores: STORES,
  bounds: { healsWithin: 1 },
  missing: () => missing('faketime'),
  world: {
    async settings({ closing }, index) {
      if (index > 0) return {};
      const folder = await mkdtemp(join(tmpdir(), 'gatehouse-faults-'));
      closing.push(() => rm(folder, { recursive: true }));
      clockFile = join(folder, 'offset');
      await writeFile(clockFile, '+0s\n');
      return { ...fakeTime(), FAKETIME_TIMESTAMP_FILE: clockFile, FAKETIME_NO_CACHE: '1' };
    },
  },
  async inject({ gateways, tally }) {
    const [gateway] = gateways;
    tally.partIsBack();
    await writeFile(clockFile, `+${FAR_APART}s\n`);
    await pause(WORK_FOR * 1000);
    await gateway?.stop();
    const refusal = await gateway?.start().then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (refusal === undefined) tally.isWrong(`it started with a clock ${FAR_APART} s off`);
    else tally.notes.push(refusal.slice(0, 300));
    await gateway?.kill();
    await writeFile(clockFile, '+0s\n');
    await gateway?.start();
    tally.partIsBack();
  },
});

export const clocks: readonly Fault[] = [apart, leapt];
