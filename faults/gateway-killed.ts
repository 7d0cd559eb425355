import type { Fault } from './support/fault.ts';
import { STORES } from './support/installed.ts';
import { between, pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';
import { World } from './support/world.ts';

const REFRESHES = { short: 300, long: 10_000 };

/** One gateway or the other is killed every 0.5 to 2 s and started again, until so many refreshes were acknowledged. */
export const gatewayKilled: Fault = {
  name: 'gateway-killed',
  what: 'gateway killed every 0.5 to 2 s',
  stores: STORES,
  bounds: { healsWithin: 5 },
  inShort: true,
  async run(round) {
    const { store, scale, random } = round;
    const world = await World.start({ store });
    const target = scale.isShort ? REFRESHES.short : REFRESHES.long;
    try {
      await underTraffic(world, round, {
        watchFor: 3,
        async inject({ gateways, tally }, traffic) {
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
      return world.tally;
    } finally {
      await world.close();
    }
  },
};
