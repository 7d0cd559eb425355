/** @topology one: looks at one session */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { elapse } from '../support/race.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.close());

it('a copied refresh token counts as theft, even after a slow field in the same document', async () => {
  const [alice, mallory] = [await gateway.aSubject(), await gateway.aSubject()];
  const { refreshToken } = await alice.signedIn();
  const second = await alice.refresh(refreshToken);
  await alice.refresh(second.data?.refresh.refreshToken ?? '');
  const { accessToken } = await mallory.signedIn();
  const locked = gateway.database.query(
    'with locked as materialized (select id from users where id = $1 for update) select pg_sleep(2.5) from locked',
    [mallory.id],
  );
  await elapse(100, 'the account is locked by then');
  const query = `mutation {
    slow: updateProfile(input: { displayName: "Mallory" }) { __typename }
    theft: refresh(refreshToken: "${refreshToken}") { __typename }
  }`;
  const reply = await gateway.client.post({ query }, { bearer: accessToken });
  await locked;
  expect(reply.code).toBe('INVALID_REFRESH_TOKEN');
  expect(await gateway.database.query('select from session where user_id = $1', [alice.id])).toEqual([]);
});
