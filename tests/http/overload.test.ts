/** @timing: lets waiting operations start within the second for which they wait */
/** @topology one: counts what one process holds at once */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import { LoginDocument, MeDocument } from '../support/generated/operations.ts';
import { eventually } from '../support/race.ts';

let gateway: TestGateway;
beforeAll(async () => {
  // The hash cost of production, so that a login takes as long as it does there.
  gateway = await TestGateway.start({ PASSWORD_BCRYPT_COST: '12' });
});
afterAll(() => gateway.close());

const isLive = async () => (await fetch(`${gateway.url}/health/live`)).status === 200;
const me = (bearer: string) => gateway.client.execute(MeDocument, {}, { bearer });

/** Refused with a code and a time to retry. */
function isPolite(reply: Reply<unknown>): boolean {
  const seconds = reply.errors[0]?.extensions?.retryAfterSeconds;
  return (
    ((reply.status === 503 && reply.code === 'SERVICE_UNAVAILABLE') ||
      (reply.status === 429 && reply.code === 'RATE_LIMITED')) &&
    Number(seconds) >= 1 &&
    reply.headers.get('retry-after') === String(seconds)
  );
}

describe('two hundred logins at once', () => {
  it('are answered or told when to retry, and delay no other operation', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const input = { identifier: alice.username, password: alice.password };
    let left = 200;
    const logins = Array.from({ length: 200 }, () =>
      gateway.client.execute(LoginDocument, { input }).finally(() => {
        left -= 1;
      }),
    );
    // From now on all places for waiting hashes are taken.
    await Promise.race(logins);
    for (let turn = 0; turn < 5; turn++) {
      expect((await me(accessToken)).data?.me?.username).toBe(alice.username);
      expect(await isLive()).toBe(true);
    }
    expect(left).toBeGreaterThan(0);

    const replies = await Promise.all(logins);
    const signedIn = replies.filter(({ data }) => data?.login.__typename === 'Authenticated');
    expect(signedIn.length).toBeGreaterThan(0);
    expect(replies.filter((reply) => !signedIn.includes(reply) && !isPolite(reply))).toEqual([]);
  });
});

describe('more operations than a process can run at once', () => {
  /** Until it is called, each `me` waits for the table. */
  async function blockUsers(): Promise<() => Promise<void>> {
    const blocker = await gateway.database.connect();
    await blocker.query('begin');
    await blocker.query('lock table users in access exclusive mode');
    return async () => {
      await blocker.query('rollback');
      await blocker.end();
    };
  }
  /** On two cores a process runs 133 operations: 100, and those that may hash or wait for a hash. */
  const MANY = 200;
  const isAtTheDoor = (line: string) => line.includes('operations are running already');

  it('wait, and are served as soon as there is room', async () => {
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const unblock = await blockUsers();
    // Fewer than would be refused, because a slow machine takes long to send them.
    const sentAt = performance.now();
    const replies = Array.from({ length: 150 }, () => me(accessToken));
    let answered = 0;
    for (const reply of replies) void reply.finally(() => (answered += 1));
    const live = isLive();
    try {
      await eventually(gateway.database.lockWaiters, (count) => count > 0);
      expect(answered).toBe(0);
    } finally {
      await unblock();
    }
    // After a wait of a second they are refused. A machine that stalls so long fails here.
    expect(performance.now() - sentAt).toBeLessThan(1_000);
    expect(await live).toBe(true);
    expect((await Promise.all(replies)).filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('are refused after a wait of one second, and told to retry at different times', async () => {
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const unblock = await blockUsers();
    let first: Reply<unknown>;
    const replies = Array.from({ length: MANY }, () => me(accessToken));
    try {
      first = await Promise.race(replies);
      expect(await isLive()).toBe(true);
    } finally {
      await unblock();
    }
    expect([first.code, isPolite(first)]).toEqual(['SERVICE_UNAVAILABLE', true]);
    expect(gateway.logLines.some(isAtTheDoor)).toBe(true);

    const all = await Promise.all(replies);
    const refused = all.filter(({ data }) => data === null);
    expect(refused.length).toBeLessThan(MANY);
    expect(refused.filter((reply) => !isPolite(reply))).toEqual([]);
    expect(new Set(refused.map(({ headers }) => headers.get('retry-after'))).size).toBeGreaterThan(1);
    // The places are free again.
    expect((await me(accessToken)).status).toBe(200);
  });
});
