import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../../../src/platform/id.ts';
import type { BucketRule, TokenBuckets } from '../../../src/platform/rate-limit/index.ts';
import { race } from '../../support/race.ts';

/** The parts of an adapter that the contract needs. */
export interface BucketsUnderTest {
  readonly buckets: TokenBuckets;
  /** The same buckets as another process sees them, or the same object when they cannot be shared. */
  readonly elsewhere: TokenBuckets;
  /** Advances the clock of the adapter. */
  pass(milliseconds: number): Promise<void>;
  close(): Promise<void>;
}

/** @returns 0, or the seconds until the next token. */
export const takeOne = async (buckets: TokenBuckets, key: string, rule: BucketRule): Promise<number> =>
  (await buckets.take([{ key, group: key, rule }]))[0] ?? Number.NaN;

const given = (waits: readonly number[]) => waits.filter((wait) => wait === 0).length;

/** The contract that every adapter of the token buckets must pass. */
export function tokenBucketsContract(name: string, prepare: () => Promise<BucketsUnderTest>): void {
  describe(`a token bucket ${name}`, () => {
    const rule = { burst: 3, perSeconds: 30 };
    /** A token every 100 ms. */
    const quick = { burst: 2, perSeconds: 0.2 };
    let under: BucketsUnderTest;
    let key: string;

    beforeAll(async () => {
      under = await prepare();
    });
    afterAll(() => under.close());
    beforeEach(() => {
      key = newId();
    });
    const take = (what = rule, of = key) => takeOne(under.buckets, of, what);

    it('allows its burst at once, then says in whole seconds when to retry', async () => {
      expect([await take(), await take(), await take()]).toEqual([0, 0, 0]);
      expect(await take()).toBe(10);
    });

    it('refills evenly', async () => {
      await race(2, () => take(quick));
      expect(await take(quick)).toBe(1);
      await under.pass(130);
      expect(await take(quick)).toBe(0);
      expect(await take(quick)).toBe(1);
    });

    it('never holds more than its burst', async () => {
      await take(quick);
      await under.pass(1_000);
      expect(given(await race(4, () => take(quick)))).toBe(2);
    });

    it('of one key does not affect the bucket of another key', async () => {
      await race(4, () => take());
      expect(await take(rule, newId())).toBe(0);
    });

    it('is not emptied further by refused calls', async () => {
      await race(50, () => take());
      expect(await take()).toBe(10);
    });

    it('accepts refunds up to its burst', async () => {
      const giveBack = () => under.elsewhere.giveBack({ key, group: key, rule });
      await race(4, () => take());
      await giveBack();
      expect(await take()).toBe(0);
      expect(await take()).toBe(10);
      await race(9, giveBack);
      expect(given(await race(9, () => take()))).toBe(3);
    });

    it('accepts any text as its key', async () => {
      for (const odd of ['', ' ', '{a}:\r\n*1', 'ä€😀', 'x'.repeat(10_000)]) {
        expect(await take({ burst: 1, perSeconds: 60 }, `${key}${odd}`)).toBe(0);
        expect(await take({ burst: 1, perSeconds: 60 }, `${key}${odd}`)).toBe(60);
      }
    });

    it('counts correctly under the largest allowed rule', async () => {
      const largest = { burst: 999_999, perSeconds: 999_999 };
      expect(await take(largest)).toBe(0);
      expect(await take({ burst: 1, perSeconds: 999_999 })).toBe(0);
      expect(await take({ burst: 1, perSeconds: 999_999 })).toBe(999_999);
    });

    it('never allows more than its burst to 100 calls at once, in any process', async () => {
      const waits = await race(100, (index) =>
        takeOne(index % 2 === 0 ? under.buckets : under.elsewhere, key, { burst: 7, perSeconds: 3600 }),
      );
      expect(given(waits)).toBe(7);
    });

    describe('in a group', () => {
      const narrow = (name: string) => ({ key: `${key} ${name}`, group: key, rule });
      const wide = () => ({ key: `${key} wide`, group: key, rule: { burst: 5, perSeconds: 50 } });
      const ask = (name: string, at = under.buckets) => at.take([narrow(name), wide()]);

      it('is charged together with the others', async () => {
        expect(await ask('a')).toEqual([0, 0]);
        const alone = await race(9, () => under.buckets.take([wide()]));
        expect(given(alone.flat())).toBe(4);
      });

      it('keeps its token when another one is empty, and the empty one says when to retry', async () => {
        await race(3, () => ask('a'));
        expect(await race(9, () => ask('a'))).toEqual(Array(9).fill([10, 0]));
        expect(await race(2, () => ask('b'))).toEqual(Array(2).fill([0, 0]));
        expect(await ask('b')).toEqual([0, 10]);
        expect(await under.buckets.take([narrow('b')])).toEqual([0]);
      });

      it('allows no more than its burst to 100 calls at once on many buckets, in any process', async () => {
        const waits = await race(100, (index) =>
          ask(`${index}`, index % 2 === 0 ? under.buckets : under.elsewhere),
        );
        expect(given(waits.map(([, wait]) => wait ?? Number.NaN))).toBe(5);
      });
    });
  });
}
