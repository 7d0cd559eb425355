/** @topology one: takes the database away from a single process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { isDatabaseAway } from '../../../src/platform/database/index.ts';
import { TestGateway } from '../../support/gateway.ts';
import { LogoutDocument } from '../../support/generated/operations.ts';
import { elapse, eventually, race } from '../../support/race.ts';
import type { Subject, Tokens } from '../../support/subject.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

/** Milliseconds: the deadline of a statement, and a margin for a busy machine. */
const BOUND = 10_000;

let direct: TestGateway;
let gateway: TestGateway;
let proxy: TcpProxy;
let alice: Subject;
let tokens: Tokens;

beforeAll(async () => {
  direct = await TestGateway.start();
  const url = new URL(direct.database.servingUrl);
  proxy = await TcpProxy.to(url.hostname, Number(url.port));
  url.port = String(proxy.port);
  gateway = await direct.another({ DATABASE_URL: url.href });
  alice = await gateway.aSubject();
  tokens = await alice.signedIn();
});
afterAll(async () => {
  await proxy.close();
  await gateway.close();
  await direct.close();
});

const timed = async <T>(work: Promise<T>): Promise<[T, number]> => {
  const startedAt = performance.now();
  return [await work, performance.now() - startedAt];
};

describe('a database that is frozen', () => {
  it('is reported as SERVICE_UNAVAILABLE within a bound and in /health/ready, and stops nothing else', async () => {
    proxy.freeze({ all: true });
    const answers = await Promise.all([
      timed(alice.me(tokens.accessToken)),
      timed(alice.login()),
      timed(alice.refresh(tokens.refreshToken)),
      timed(gateway.client.execute(LogoutDocument, { refreshToken: tokens.refreshToken })),
      timed(gateway.client.raw('{ publicProfile(username: "somebody") { username } }')),
    ]);
    for (const [{ code, status }, milliseconds] of answers) {
      expect([code, status]).toEqual(['SERVICE_UNAVAILABLE', 503]);
      expect(milliseconds).toBeLessThan(BOUND);
    }
    const ready = await fetch(`${gateway.url}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'unavailable', parts: { database: 'away' }, clockOffsetSeconds: expect.any(Number) },
    ]);
    expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${gateway.url}/.well-known/jwks.json`)).status).toBe(200);
  });

  it('is used again without a restart when it is back, and the failures ended no session', async () => {
    proxy.thaw();
    await eventually(
      () => alice.me(tokens.accessToken),
      ({ errors }) => errors.length === 0,
      { withinMilliseconds: BOUND },
    );
  });
});

describe('transactions that failed with their connection', () => {
  it('give their places in the pool back', async () => {
    for (let round = 0; round < 3; round++) {
      const { accessToken } = await alice.signedIn();
      await race(20, () => alice.me(accessToken));
      proxy.cut();
      await race(20, () => gateway.client.execute(LogoutDocument, {}, { bearer: accessToken }));
    }
    await eventually(
      () => alice.login(),
      ({ errors }) => errors.length === 0,
      { withinMilliseconds: BOUND },
    );
    const replies = await race(20, () => alice.refresh(tokens.refreshToken));
    expect(replies.filter(({ code }) => code === 'SERVICE_UNAVAILABLE')).toEqual([]);
  });
});

describe('connections that went silent, as after a failover', () => {
  it('are replaced, and pending sign-outs take effect', async () => {
    await alice.me(tokens.accessToken);
    proxy.freeze({ all: false });
    await eventually(
      () => alice.login(),
      ({ errors }) => errors.length === 0,
      { withinMilliseconds: 3 * BOUND },
    );
    const { accessToken } = await alice.signedIn();
    const [reply, milliseconds] = await timed(
      gateway.client.execute(LogoutDocument, {}, { bearer: accessToken }),
    );
    expect(reply.data).toEqual({ logout: true });
    expect(milliseconds).toBeLessThan(BOUND);
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
  });
});

describe('a database that is read-only, because it was demoted or its disk is full', () => {
  it('is reported as SERVICE_UNAVAILABLE for writes and in /health/ready, and its connections are replaced when that is over', async () => {
    const name = new URL(direct.database.ownerUrl).pathname.slice(1);
    const readOnly = async (state: 'on' | 'off') => {
      await direct.database.querySuperuser(
        `alter database ${name} set default_transaction_read_only = ${state}`,
      );
    };
    const ready = async () => (await fetch(`${gateway.url}/health/ready`)).status;
    const { accessToken } = await alice.signedIn();
    await readOnly('on');
    // Connections keep the setting of the time when they were opened.
    proxy.cut();
    expect(await eventually(ready, (status) => status === 503)).toBe(503);
    const { code, status } = await eventually(
      () => alice.login(),
      ({ errors }) => errors.length > 0,
    );
    expect([code, status]).toEqual(['SERVICE_UNAVAILABLE', 503]);
    expect((await alice.me(accessToken)).errors).toEqual([]);
    await readOnly('off');
    await eventually(
      () => alice.login(),
      ({ errors }) => errors.length === 0,
      { withinMilliseconds: BOUND },
    );
  });
});

describe('a database that refuses connections', () => {
  it('causes one log line for each part that needs it, and one when it is back', async () => {
    const name = new URL(direct.database.ownerUrl).pathname.slice(1);
    let first = 0;
    const lines = (message: string) =>
      gateway.logLines.slice(first).filter((line) => line.includes(`"msg":"${message}`));
    const [wasLost, isBack] = ['was lost', 'is back'].map(
      (end) => `the connection that listens for events ${end}`,
    );
    // Earlier tests cut the connection too.
    await eventually(
      async () => lines(wasLost ?? '').length - lines(isBack ?? '').length,
      (away) => away === 0,
    );
    first = gateway.logLines.length;
    await direct.database.querySuperuser(`alter database ${name} with allow_connections false`);
    try {
      proxy.cut();
      await eventually(
        async () => lines('revocations cannot be read').length,
        (count) => count === 1,
      );
      await elapse(1_000, 'each attempt in this time fails too, and must not be logged again');
    } finally {
      await direct.database.querySuperuser(`alter database ${name} with allow_connections true`);
    }
    const back = ['the connection that listens for events is back', 'revocations are read again'];
    for (const message of back)
      await eventually(
        async () => lines(message).length,
        (count) => count === 1,
      );
    for (const message of ['the connection that listens for events was lost', 'revocations cannot be read'])
      expect([message, lines(message).length]).toEqual([message, 1]);
  });
});

describe('a database', () => {
  it.each(['EAI_AGAIN', 'ENETUNREACH', 'EHOSTDOWN', 'EADDRNOTAVAIL', 'ECONNREFUSED', '25006', '57P01'])(
    'counts as unavailable after an error with the code %s',
    (code) =>
      expect(isDatabaseAway(new Error('', { cause: Object.assign(new Error(), { code }) }))).toBe(true),
  );

  it.each([
    ['PgBouncer when the server behind it is gone', '08P01'],
    ['a database that accepts no connections', '55000'],
  ])('counts as unavailable after the message with which %s ends the connection', (_who, code) =>
    expect(isDatabaseAway(Object.assign(new Error(), { code, severity: 'FATAL' }))).toBe(true),
  );

  it.each(['ENOENT', '25001', '08P01', '55000', '23505'])(
    'does not count as unavailable after an error with the code %s',
    (code) => expect(isDatabaseAway(Object.assign(new Error(), { code }))).toBe(false),
  );
});
