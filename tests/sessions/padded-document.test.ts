/** @topology one: looks at one session */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start({ PASSWORD_BCRYPT_COST: '14', RATE_LIMIT: 'off' });
});
afterAll(() => gateway.close());

const registration = (index: number) =>
  `slow${index}: register(input: { username: "mallory.${index}", email: "mallory${index}@example.test", password: "copper lantern ${index} meadow" }) { __typename }`;
const SLOW_FIELDS = [0, 1, 2, 3].map(registration).join('\n');

it('a copy of a refresh token is taken for theft also after slow fields of the same document', async () => {
  const alice = await gateway.aSubject();
  const { refreshToken } = await alice.signedIn();
  const second = await alice.refresh(refreshToken);
  await alice.refresh(second.data?.refresh.refreshToken ?? '');
  const begun = performance.now();
  const reply = await gateway.client.post({
    query: `mutation { ${SLOW_FIELDS} theft: refresh(refreshToken: "${refreshToken}") { __typename } }`,
  });
  // Otherwise this would show nothing.
  expect(performance.now() - begun).toBeGreaterThan(2_200);
  expect(reply.code).toBe('INVALID_REFRESH_TOKEN');
  expect(await gateway.database.query('select from session where user_id = $1', [alice.id])).toEqual([]);
});
