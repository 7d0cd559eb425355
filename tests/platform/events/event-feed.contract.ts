import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import type { EventFeed } from '../../../src/platform/events/index.ts';
import { elapse, eventually } from '../../support/race.ts';

/** The parts of an adapter that the contract needs. */
export interface FeedUnderTest {
  readonly feed: EventFeed;
  /** The feed of another process. */
  readonly elsewhere: EventFeed;
  fork(): EntityManager;
  /** Closes the connections on which the feeds listen. They may be opened again at once. */
  cut(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds in which a forbidden wake-up would have arrived. */
const LONG_ENOUGH = 200;

/** The contract that every adapter of the event feed must pass. */
export function eventFeedContract(name: string, prepare: () => Promise<FeedUnderTest>): void {
  describe(`the event feed on ${name}`, () => {
    let under: FeedUnderTest;
    const heard = { here: 0, there: 0 };

    beforeAll(async () => {
      under = await prepare();
      under.feed.subscribe('endings', () => {
        heard.here += 1;
      });
      under.elsewhere.subscribe('endings', () => {
        heard.there += 1;
      });
      await Promise.all([under.feed.start(), under.elsewhere.start()]);
    });
    afterAll(() => under.close());
    beforeEach(async () => {
      await eventually(quiet, Boolean);
      Object.assign(heard, { here: 0, there: 0 });
    });

    const pause = () => elapse(LONG_ENOUGH, 'a wake-up must not come');
    const quiet = async () => {
      const before = { ...heard };
      await pause();
      return heard.here === before.here && heard.there === before.there;
    };
    const both = () =>
      eventually(
        async () => heard,
        ({ here, there }) => here > 0 && there > 0,
      );
    const announced = (work: (tx: EntityManager) => Promise<void> = async () => {}) =>
      under.fork().transactional(async (tx) => {
        await under.feed.announce(tx, 'endings');
        await work(tx);
      });

    it('wakes the listeners of every process', async () => {
      await announced();
      await both();
    });

    it('wakes no listener before the transaction has committed', async () => {
      await announced(async () => {
        await pause();
        expect(heard).toEqual({ here: 0, there: 0 });
      });
      await both();
    });

    it('wakes no listener for a transaction that is rolled back', async () => {
      const failing = announced(async () => {
        throw new Error('rolled back');
      });
      await expect(failing).rejects.toThrow('rolled back');
      await pause();
      expect(heard).toEqual({ here: 0, there: 0 });
    });

    it('wakes no listener for a transaction that announced nothing', async () => {
      await under.fork().transactional(async () => {});
      await pause();
      expect(heard).toEqual({ here: 0, there: 0 });
    });

    it('wakes its listeners when its connection was opened again, and continues', async () => {
      await under.cut();
      await both();
      await eventually(quiet, Boolean);
      Object.assign(heard, { here: 0, there: 0 });
      await announced();
      await both();
    });

    it('wakes no listener after it was closed', async () => {
      await under.elsewhere.close();
      await announced();
      await eventually(async () => heard.here, Boolean);
      await pause();
      expect(heard.there).toBe(0);
    });
  });
}
