import { expect, it } from '@jest/globals';
import { SocketPlaces } from '../../src/http/socket-places.ts';

it('a process holds 2,000 sockets, and 100 of one network; who leaves makes room for one', () => {
  const places = new SocketPlaces();
  const taken = (network: string, count: number) =>
    Array.from({ length: count }, () => places.take(network)).filter(Boolean).length;
  for (let network = 1; network <= 19; network += 1) expect(taken(`192.0.2.${network}`, 150)).toBe(100);
  expect(taken('198.51.100.1', 60)).toBe(60);
  expect(taken('198.51.100.2', 60)).toBe(40);
  expect(taken('198.51.100.3', 1)).toBe(0);
  places.leave('198.51.100.1');
  expect(taken('192.0.2.1', 1)).toBe(0);
  expect(taken('198.51.100.3', 2)).toBe(1);
});
