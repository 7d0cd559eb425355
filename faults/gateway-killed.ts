import { STORES } from './support/installed.ts';
import { between, pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

const REFRESHES = { short: 300, long: 10_000 };

/** Kills one gateway or the other every 0.5 to 2 s and starts it again, until so many refreshes were acknowledged. */
export const gatewayKilled = underTraffic({
  name: 'gateway-killed',
  what: 'gateway killed every 0.5 to 2 s',
  stores: STORES,
  bounds: {},
  watchFor: 5,
  inShort: true,
  async inject({ gateways, tally }, { scale, random }, traffic) {
    const target = scale.isShort ? REFRESHES.short : REFRESHES.long;
    let kills = 0;
    while (traffic.refreshes < target) {
      await pause(between(random, 0.5, 2));
      const gateway = gateways[kills % gateways.length];
      await gateway?.kill();
      await gateway?.start();
      kills += 1;
    }
    tally.notes.push(`${kills} kills, ${traffic.refreshes} refreshes`);
    tally.partIsBack();
  },
});
