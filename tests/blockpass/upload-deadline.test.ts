import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type BlockpassWorld, startBlockpassWorld } from '../support/blockpass.ts';
import { elapse, eventually } from '../support/race.ts';

/** Milliseconds: longer than REQUEST_MAX_AGE_SECONDS, shorter than a statement waits for a lock. */
const LOCKED = 2_500;

let world: BlockpassWorld;
beforeAll(async () => {
  world = await startBlockpassWorld({ REQUEST_MAX_AGE_SECONDS: '2' });
});
afterAll(() => world.close());

const items = (id: string) =>
  world.gateway.database.query(
    'select from kyc_item i join kyc_record r on r.id = i.record_id where r.blockpass_id = $1',
    [id],
  );

it('an upload after the deadline of its request stores nothing, and its token stays usable', async () => {
  const app = world.person();
  const pass = await app.register();
  const blocker = await world.gateway.database.connect();
  await blocker.query('begin');
  await blocker.query('lock table kyc_item in exclusive mode');
  const upload = app.upload(pass).catch((error: unknown) => error);
  await eventually(world.gateway.database.lockWaiters, (count) => count > 0);
  await elapse(LOCKED, 'the upload waits for its lock for longer than it may take');
  await blocker.query('commit');
  await blocker.end();
  expect(await upload).toMatchObject({ status: 503 });
  expect(await items(app.person.id)).toEqual([]);

  expect(await app.upload(pass)).toMatchObject({ nextAction: 'none' });
  expect(await items(app.person.id)).not.toEqual([]);
});
