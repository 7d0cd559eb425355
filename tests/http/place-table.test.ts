/** @topology one: counts what one process holds at once */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type Place, PlaceTable } from '../../src/http/place-table.ts';
import { networksOf } from '../../src/platform/request/index.ts';

const BUDGET = { total: 100, perClient: 40, perNetwork: 60 };
/** Milliseconds in which a place is not taken away. */
const GRACE = 1_000;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

class TestPlace implements Place {
  isClosed = false;
  constructor(
    readonly networks: readonly string[],
    private readonly waiting = true,
  ) {}
  isWaiting(): boolean {
    return this.waiting;
  }
  close(): void {
    this.isClosed = true;
  }
}

const table = () => new PlaceTable<TestPlace>(BUDGET);
const from = (address: string, waiting = true) => new TestPlace(networksOf(address), waiting);
/** @returns the clients that got a place. */
const fill = (
  places: PlaceTable<TestPlace>,
  count: number,
  addressOf: (n: number) => string,
  waiting = true,
) =>
  Array.from({ length: count }, (_, n) => from(addressOf(n), waiting)).filter((place) => places.take(place));

describe('a client', () => {
  it('may fill its budget, and no more, while the gateway works for all of its places', () => {
    const places = table();
    expect(fill(places, 50, () => '192.0.2.1', false)).toHaveLength(40);
    jest.advanceTimersByTime(GRACE + 1);
    expect(fill(places, 50, () => '192.0.2.1', false)).toEqual([]);
    expect(fill(places, 50, () => '192.0.2.2', false)).toHaveLength(40);
  });

  it('loses the place that was idle longest when it gets a new one', () => {
    const places = table();
    const held = fill(places, 40, () => '192.0.2.1');
    jest.advanceTimersByTime(GRACE + 1);
    places.touch(held[0] as TestPlace);
    expect(places.take(from('192.0.2.1'))).toBe(true);
    expect(held.map(({ isClosed }) => isClosed)).toEqual([false, true, ...Array(38).fill(false)]);
    expect(places.size).toBe(40);
  });

  it('keeps a place in its first second, while it is protected, and while the gateway works for it', () => {
    const places = table();
    const [young] = fill(places, 40, () => '192.0.2.1');
    expect(places.take(from('192.0.2.1'))).toBe(false);
    places.leave(young as TestPlace);
    jest.advanceTimersByTime(GRACE + 1);
    const other = table();
    for (const place of fill(other, 40, () => '192.0.2.1')) other.keep(place);
    jest.advanceTimersByTime(GRACE + 1);
    expect(other.take(from('192.0.2.1'))).toBe(false);
    const busy = table();
    fill(busy, 40, () => '192.0.2.1', false);
    jest.advanceTimersByTime(GRACE + 1);
    expect(busy.take(from('192.0.2.1'))).toBe(false);
  });

  it('gets one place back for each release, and only once', () => {
    const places = table();
    const held = fill(places, 40, () => '192.0.2.1', false);
    places.leave(held[0] as TestPlace);
    places.leave(held[0] as TestPlace);
    expect(fill(places, 2, () => '192.0.2.1', false)).toHaveLength(1);
  });

  it('holds one place after each new connection replaced the previous one', () => {
    const places = new PlaceTable<TestPlace>({ total: 10, perClient: 1, perNetwork: 1 });
    for (let turn = 0; turn < 5; turn += 1) {
      expect(places.take(from('2001:db8::1'))).toBe(true);
      expect(places.take(from('2001:db8::1'))).toBe(false);
      jest.advanceTimersByTime(GRACE + 1);
    }
    expect(places.size).toBe(1);
  });
});

describe('IPv6 clients', () => {
  it('share one budget in a /64, a larger one in a /56, and a still larger one in a /48', () => {
    const places = new PlaceTable<TestPlace>({ total: 1_000, perClient: 40, perNetwork: 60 });
    expect(fill(places, 100, (n) => `2001:db8::${n.toString(16)}`, false)).toHaveLength(40);
    expect(fill(places, 100, (n) => `2001:db8:0:${(n % 200).toString(16)}::1`, false)).toHaveLength(10);
    expect(fill(places, 100, (n) => `2001:db8:0:${n.toString(16)}00::1`, false)).toHaveLength(10);
    expect(fill(places, 100, (n) => `2001:db8:1:${n.toString(16)}00::1`, false)).toHaveLength(60);
  });
});

describe('a full table', () => {
  it('takes a place from the network that holds the largest part of its budget', () => {
    const places = table();
    const office = fill(places, 20, () => '192.0.2.1');
    const single = fill(places, 20, (n) => `198.51.100.${n}`);
    // One /48 with twenty /64s.
    const crowd = fill(places, 60, (n) => `2001:db8:0:${(n % 20).toString(16)}00::1`);
    jest.advanceTimersByTime(GRACE + 1);
    expect(places.fill).toBe(1);
    expect(fill(places, 10, (n) => `203.0.113.${n}`)).toHaveLength(10);
    expect(places.size).toBe(100);
    expect([...office, ...single].filter(({ isClosed }) => isClosed)).toEqual([]);
    expect(crowd.filter(({ isClosed }) => isClosed)).toHaveLength(10);
  });

  it('takes the places of clients without a budget last', () => {
    const places = table();
    const proxied = Array.from({ length: 99 }, () => new TestPlace([])).filter((place) => places.take(place));
    const [other] = fill(places, 1, () => '192.0.2.1');
    jest.advanceTimersByTime(GRACE + 1);
    expect(places.take(from('192.0.2.2', false))).toBe(true);
    expect([other?.isClosed, proxied.some(({ isClosed }) => isClosed)]).toEqual([true, false]);
    jest.advanceTimersByTime(GRACE + 1);
    expect(places.take(from('192.0.2.3'))).toBe(true);
    expect(proxied.filter(({ isClosed }) => isClosed)).toHaveLength(1);
  });

  it('refuses a new client only while the gateway works for all of its places', () => {
    const places = table();
    const held = fill(places, 100, (n) => `198.51.100.${n}`, false);
    jest.advanceTimersByTime(GRACE + 1);
    expect(places.take(from('203.0.113.1'))).toBe(false);
    places.leave(held[0] as TestPlace);
    expect(places.take(from('203.0.113.1'))).toBe(true);
  });
});
