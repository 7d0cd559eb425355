import { describe, expect, it } from '@jest/globals';
import { bodyBytes, OperationPlaces } from '../../src/http/operation-places.ts';
import { elapse } from '../support/race.ts';

const STAYS = () => false;
const MEGABYTE = 1024 * 1024;

describe('an operation that waits for a place', () => {
  it('is served in order of arrival', async () => {
    const places = new OperationPlaces(1);
    await places.enter(0, STAYS);
    const served: string[] = [];
    const waits = ['first', 'second'].map((name) => places.enter(0, STAYS).then(() => served.push(name)));
    places.leave();
    await waits[0];
    expect(served).toEqual(['first']);
    places.leave();
    await Promise.all(waits);
    expect(served).toEqual(['first', 'second']);
  });

  it('is skipped when its client has gone', async () => {
    const places = new OperationPlaces(1);
    await places.enter(0, STAYS);
    let isGone = false;
    let servedTheGone = false;
    void places
      .enter(0, () => isGone)
      .then(() => {
        servedTheGone = true;
      });
    const behind = places.enter(0, STAYS);
    isGone = true;
    places.leave();
    await behind;
    expect(servedTheGone).toBe(false);
  });

  it('is refused at once when the waiting operations hold 32 MiB', async () => {
    const places = new OperationPlaces(1);
    await places.enter(0, STAYS);
    const large = places.enter(31 * MEGABYTE, STAYS);
    await expect(places.enter(2 * MEGABYTE, STAYS)).rejects.toThrow('Temporarily unavailable');
    places.leave();
    await large;
    // Its bytes are free again.
    const next = places.enter(31 * MEGABYTE, STAYS);
    places.leave();
    await next;
  });
});

describe('the body of a waiting operation', () => {
  it('is counted by its length, or by the largest allowed length when it is chunked', () => {
    expect(bodyBytes({ 'content-length': '70' }, 102_400)).toBe(70);
    expect(bodyBytes({ 'transfer-encoding': 'chunked' }, 102_400)).toBe(102_400);
    expect(bodyBytes({}, 102_400)).toBe(0);
  });
});

describe('a place for an operation', () => {
  it('is never given to two operations, and never lost', async () => {
    const places = new OperationPlaces(3);
    let atWork = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 50 }, async (_, turn) => {
        await places.enter(0, STAYS);
        atWork += 1;
        most = Math.max(most, atWork);
        await elapse(turn % 4, 'places are left in another order than they were taken in');
        atWork -= 1;
        places.leave();
      }),
    );
    expect(most).toBe(3);
    await Promise.all([1, 2, 3].map(() => places.enter(0, STAYS)));
  });
});
