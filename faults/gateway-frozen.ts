import type { Fault } from './support/fault.ts';
import { STORES } from './support/installed.ts';
import { pause } from './support/random.ts';
import { underTraffic } from './support/traffic.ts';

/** Milliseconds. */
const KEPT_FOR = 12_000;

/**
 * A gateway stands still, as on a machine that swaps or is moved. Its clients give up after 5 s and go on elsewhere; when
 * it wakes, it does what lay in its sockets.
 *
 * A client keeps its tokens for longer than a request may be late (REQUEST_MAX_AGE_SECONDS). One that rotated twice in that
 * time could not be told from a thief: the contract calls its late request reuse.
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
