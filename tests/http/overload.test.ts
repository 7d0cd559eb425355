/** @topology one: what one process holds at once */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Reply } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import { LoginDocument, MeDocument } from '../support/generated/operations.ts';

let gateway: TestGateway;
beforeAll(async () => {
  // The cost of production: a login takes as long as it does there.
  gateway = await TestGateway.start({ PASSWORD_BCRYPT_COST: '12' });
});
afterAll(() => gateway.close());

const isLive = async () => (await fetch(`${gateway.url}/health/live`)).status === 200;
const me = (bearer: string) => gateway.client.execute(MeDocument, {}, { bearer });

/** Refused in a way that a client can go by. */
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
  it('are answered or told when to come back, and keep nobody else waiting', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    const input = { identifier: alice.username, password: alice.password };
    let left = 200;
    const logins = Array.from({ length: 200 }, () =>
      gateway.client.execute(LoginDocument, { input }).finally(() => {
        left -= 1;
      }),
    );
    // From then on all who may wait for a hash do.
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

describe('more operations than a process can have at work', () => {
  it('are refused at once, before those that were there first are answered, and these lose nothing', async () => {
    const { accessToken } = await (await gateway.aSubject()).signedIn();
    const blocker = await gateway.database.connect();
    await blocker.query('begin');
    await blocker.query('lock table users in access exclusive mode');
    const replies: Promise<Reply<unknown>>[] = [];
    let first: Reply<unknown> | undefined;
    try {
      while (!first) {
        const batch = Array.from({ length: 200 }, () => me(accessToken));
        replies.push(...batch);
        // Those that are at work wait for the table, for up to three seconds.
        first = await Promise.race([...replies, pause(100, undefined)]);
        expect(await isLive()).toBe(true);
      }
    } finally {
      await blocker.query('rollback');
      await blocker.end();
    }
    expect([first.code, isPolite(first)]).toEqual(['SERVICE_UNAVAILABLE', true]);
    const isAtTheDoor = (line: string) => line.includes('operations are at work already');
    expect(gateway.logLines.some(isAtTheDoor)).toBe(true);

    const all = await Promise.all(replies);
    const answered = all.filter(({ data }) => data !== null);
    expect(answered.length).toBeGreaterThan(0);
    expect(all.filter((reply) => !answered.includes(reply) && !isPolite(reply))).toEqual([]);
    // The places are free again.
    expect((await me(accessToken)).status).toBe(200);
  });
});
