/** @topology one: counts what one process holds at once */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SocketPlaces } from '../../src/http/socket-places.ts';
import { networksOf } from '../../src/platform/request/index.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

class TestSocket {
  code: number | undefined;
  close(code?: number): void {
    this.code ??= code;
  }
  terminate(): void {}
}

function sockets() {
  const places = new SocketPlaces({
    total: 100,
    perClient: 50,
    perNetwork: 75,
    anonymous: 80,
    perAccount: 3,
  });
  const open = (address: string) => {
    const socket = new TestSocket();
    return { socket, place: places.open(socket, networksOf(address)) };
  };
  return { places, open };
}

describe('a WebSocket', () => {
  it('without a credential and without a subscription is closed after five seconds', () => {
    const { open } = sockets();
    const { socket } = open('192.0.2.1');
    jest.advanceTimersByTime(4_900);
    expect(socket.code).toBeUndefined();
    jest.advanceTimersByTime(200);
    expect(socket.code).toBe(1000);
  });

  it('stays open with a credential, or while a subscription is active', () => {
    const { open } = sockets();
    const [signedIn, subscribed] = [open('192.0.2.1'), open('192.0.2.1')];
    signedIn.place?.signedIn('ada');
    subscribed.place?.began('one');
    subscribed.place?.began('two');
    jest.advanceTimersByTime(60_000);
    subscribed.place?.ended('one');
    jest.advanceTimersByTime(60_000);
    expect([signedIn.socket.code, subscribed.socket.code]).toEqual([undefined, undefined]);
    subscribed.place?.ended('two');
    jest.advanceTimersByTime(5_100);
    expect(subscribed.socket.code).toBe(1000);
  });

  it('is not kept open by subscriptions that never start', () => {
    const { open } = sockets();
    const { socket, place } = open('192.0.2.1');
    for (let second = 0; second < 6; second += 1) {
      place?.ended(`${second}`);
      jest.advanceTimersByTime(1_000);
    }
    expect(socket.code).toBe(1000);
  });

  it('without a credential may not stay when the share of such sockets is full; a signed-in WebSocket may', () => {
    const { places, open } = sockets();
    for (let n = 0; n < 80; n += 1) {
      open(`198.51.100.${n}`).place?.began('one');
      expect(places.anonymousMayStay).toBe(true);
    }
    const late = open('192.0.2.1');
    expect(late.place).toBeDefined();
    expect(places.anonymousMayStay).toBe(false);
    late.place?.signedIn('ada');
    expect(places.anonymousMayStay).toBe(true);
  });

  it('that is idle and without a credential makes room for a new one', () => {
    const { places, open } = sockets();
    const idle = Array.from({ length: 80 }, (_, n) => open(`198.51.100.${n}`));
    jest.advanceTimersByTime(1_100);
    expect(open('192.0.2.1').place).toBeDefined();
    expect(places.anonymousMayStay).toBe(true);
    expect(idle.filter(({ socket }) => socket.code === 1013)).toHaveLength(1);
  });

  it("of a client at its budget is refused while the client's other sockets are in use", () => {
    const { open } = sockets();
    const held = Array.from({ length: 50 }, () => open('192.0.2.1'));
    for (const [n, { place }] of held.entries()) place?.signedIn(`person ${n}`);
    jest.advanceTimersByTime(1_100);
    expect(open('192.0.2.1').place).toBeUndefined();
    held[0]?.place?.leave();
    expect(open('192.0.2.1').place).toBeDefined();
  });

  it("of an account at its budget is refused from any IP while the account's other sockets are open", () => {
    const { open } = sockets();
    const [first, ...others] = [1, 2, 3].map((n) => open(`192.0.2.${n}`).place);
    expect([first, ...others].map((place) => place?.signedIn('ada'))).toEqual([true, true, true]);
    const late = open('198.51.100.1');
    expect(late.place?.signedIn('ada')).toBe(false);
    expect(open('198.51.100.1').place?.signedIn('grace')).toBe(true);
    first?.leave();
    first?.leave();
    expect(first?.signedIn('ada')).toBe(false);
    expect([late.place?.signedIn('ada'), open('192.0.2.4').place?.signedIn('ada')]).toEqual([true, false]);
  });
});
