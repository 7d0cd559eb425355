import type { Fault } from './support/fault.ts';
import { STORES } from './support/installed.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

/** Milliseconds. A client refreshes several times elsewhere before its late request is too old to take effect. */
const KEPT_FOR = 1_000;

/**
 * A gateway stalls, as on a machine that swaps or migrates. Its clients give up after 5 s and go on elsewhere. When it
 * wakes, it finds their old requests in its sockets.
 */
const frozenFor = (seconds: number, inShort: boolean): Fault =>
  underTraffic({
    name: `gateway-frozen-${seconds}s`,
    what: `gateway frozen ${seconds} s while clients go on elsewhere`,
    stores: STORES,
    bounds: {},
    watchFor: 5,
    inShort,
    refreshEvery: KEPT_FOR,
    people: 60,
    async inject({ gateways, tally }) {
      const [gateway] = gateways;
      gateway?.freeze();
      await pause(seconds * 1000);
      gateway?.thaw();
      tally.partIsBack();
    },
  });

export const gatewayFrozen = [frozenFor(8, true), frozenFor(40, false)];
