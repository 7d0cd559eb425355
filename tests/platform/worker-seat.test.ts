import { describe, expect, it } from '@jest/globals';
import { shareOf } from '../../src/platform/worker-seat.ts';

const shares = (total: number, count: number) =>
  Array.from({ length: count }, (_, index) => shareOf(total, { number: index + 1, count }));

describe('the share of a worker', () => {
  it('is the whole for the only one', () => {
    expect(shares(7, 1)).toEqual([7]);
  });

  it('adds up to the whole, and differs by one at most', () => {
    expect(shares(7, 3)).toEqual([3, 2, 2]);
    expect(shares(8, 4)).toEqual([2, 2, 2, 2]);
  });

  it('is at least one', () => {
    expect(shares(1, 2)).toEqual([1, 1]);
  });
});
