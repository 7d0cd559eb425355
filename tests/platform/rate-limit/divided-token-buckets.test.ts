import { describe, expect, it } from '@jest/globals';
import { DividedTokenBuckets, InProcessTokenBuckets } from '../../../src/platform/rate-limit/index.ts';
import { TestClock } from '../../support/clock.ts';
import { takeOne } from './token-buckets.contract.ts';

describe('token buckets of processes that count alone', () => {
  const rule = { burst: 10, perSeconds: 100 };
  /** @returns the tokens that a process gives of `count` attempts. */
  const given = async (buckets: DividedTokenBuckets, count: number): Promise<number> => {
    const waits: number[] = [];
    for (let index = 0; index < count; index++) waits.push(await takeOne(buckets, 'key', rule));
    return waits.filter((wait) => wait === 0).length;
  };

  it('give each process its part of burst and rate', async () => {
    const clock = new TestClock();
    const buckets = new DividedTokenBuckets(new InProcessTokenBuckets(clock), 2);
    expect(await given(buckets, 10)).toBe(5);
    // The rule gives a token in 10 s, and a half of it in 20 s.
    clock.advance(19);
    expect(await given(buckets, 1)).toBe(0);
    clock.advance(2);
    expect(await given(buckets, 2)).toBe(1);
  });

  it('give each process at least one token, at its part of the rate', async () => {
    const clock = new TestClock();
    const buckets = new DividedTokenBuckets(new InProcessTokenBuckets(clock), 20);
    expect(await given(buckets, 3)).toBe(1);
    clock.advance(199);
    expect(await given(buckets, 1)).toBe(0);
    clock.advance(2);
    expect(await given(buckets, 1)).toBe(1);
  });

  it('take a refund to the same part', async () => {
    const buckets = new DividedTokenBuckets(new InProcessTokenBuckets(new TestClock()), 2);
    await given(buckets, 5);
    await buckets.giveBack({ key: 'key', group: 'key', rule });
    expect(await given(buckets, 2)).toBe(1);
  });
});
