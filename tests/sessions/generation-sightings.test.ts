import { describe, expect, it } from '@jest/globals';
import type { EntityManager } from '@mikro-orm/postgresql';
import { GenerationSightings, type SessionStore, type Sighting } from '../../src/sessions/index.ts';
import { partOf } from '../support/part-of.ts';
import { elapse, eventually } from '../support/race.ts';

const caller = (generation: number | null, sessionId = 'session') => ({
  userId: 'user',
  sessionId,
  generation,
});
const WOULD_BE_WRITTEN = 'longer than a sighting waits before it is written';

/** Sightings on a store that answers as `markSeen` says, and a list of its calls. */
function sightingsOn(
  markSeen: (sightings: readonly Sighting[]) => Promise<Sighting[]> = async (all) => [...all],
) {
  const calls: Array<readonly Sighting[]> = [];
  const store = partOf<SessionStore>('SessionStore', {
    markSeen: (_em, sightings) => {
      calls.push(sightings);
      return markSeen(sightings);
    },
  });
  return { calls, sightings: new GenerationSightings(() => ({}) as EntityManager, store) };
}

describe('a sighting of a generation', () => {
  it('is written once for any number of uses of the token, and known in this process at once', async () => {
    const { calls, sightings } = sightingsOn();
    for (let use = 0; use < 1_000; use++) sightings.note(caller(3));
    expect(sightings.has('session', 3)).toBe(true);
    expect(sightings.has('session', 4)).toBe(false);
    expect(calls).toEqual([]);
    await eventually(
      async () => calls.length,
      (count) => count === 1,
    );
    sightings.note(caller(3));
    sightings.note(caller(2));
    await elapse(300, WOULD_BE_WRITTEN);
    expect(calls).toEqual([[caller(3)]]);
    await sightings.stop();
  });

  it('is written in batches of at most a hundred', async () => {
    const { calls, sightings } = sightingsOn();
    for (let session = 0; session < 250; session++) sightings.note(caller(1, `session ${session}`));
    await eventually(
      async () => calls.flat().length,
      (count) => count === 250,
    );
    expect(calls.map((batch) => batch.length)).toEqual([100, 100, 50]);
    await sightings.stop();
  });

  it('is not written for the first generation or a token without one, since there is no predecessor', async () => {
    const { calls, sightings } = sightingsOn();
    sightings.note(caller(0));
    sightings.note(caller(null));
    await elapse(300, WOULD_BE_WRITTEN);
    expect(calls).toEqual([]);
    await sightings.stop();
  });

  it('that the store could not write is retried once and then dropped, without an effect on the request', async () => {
    const { calls, sightings } = sightingsOn(async () => {
      throw new Error('away');
    });
    sightings.note(caller(1));
    await eventually(
      async () => calls.length,
      (count) => count === 2,
    );
    await elapse(500, 'a third attempt must not follow');
    expect(calls).toHaveLength(2);
    await sightings.stop();
  });

  it('does not delay the stop of a process for long: waiting ones are dropped, and a running write is awaited', async () => {
    let finish = () => {};
    const { calls, sightings } = sightingsOn(
      (all) =>
        new Promise((resolve) => {
          finish = () => resolve([...all]);
        }),
    );
    sightings.note(caller(1));
    await eventually(
      async () => calls.length,
      (count) => count === 1,
    );
    sightings.note(caller(1, 'another'));
    let stopped = false;
    const stopping = sightings.stop().then(() => {
      stopped = true;
    });
    await elapse(50, 'it must not stop before the write has ended');
    expect(stopped).toBe(false);
    finish();
    await stopping;
    sightings.note(caller(1, 'a third'));
    await elapse(300, WOULD_BE_WRITTEN);
    expect(calls).toHaveLength(1);
  });
});
