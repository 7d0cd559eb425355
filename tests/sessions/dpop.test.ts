import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeJwt } from 'jose';
import { WebSocket } from 'ws';
import { ServiceUnavailable } from '../../src/platform/errors.ts';
import { RedisAway, type RedisConnection } from '../../src/platform/redis/index.ts';
import { InProcessReplayCache, RedisReplayCache } from '../../src/sessions/index.ts';
import type { Client } from '../support/client.ts';
import { KeyHolder } from '../support/dpop.ts';
import { TestGateway } from '../support/gateway.ts';
import {
  AccessTokenForDocument,
  LogoutDocument,
  MeDocument,
  ReauthenticateDocument,
  RefreshDocument,
  SessionsDocument,
} from '../support/generated/operations.ts';
import { partOf } from '../support/part-of.ts';
import { elapse, race } from '../support/race.ts';
import { hasRedis, TestRedis } from '../support/redis.ts';
import type { Subject, Tokens } from '../support/subject.ts';
import { tokensOf } from '../support/subject.ts';

const UNUSED = 'http://localhost:4000/graphql';

/** Both stores must pass. With Redis the used proofs are shared too. */
const STORES = hasRedis ? (['postgres', 'redis'] as const) : (['postgres'] as const);

describe.each(STORES)('a session that is bound to a key, in %s', (store) => {
  let redis: TestRedis | undefined;
  let gateway: TestGateway;
  let client: Client;
  let alice: Subject;
  let key: KeyHolder;
  let thief: KeyHolder;
  let tokens: Tokens;

  beforeAll(async () => {
    redis = store === 'redis' ? await TestRedis.start() : undefined;
    gateway = await TestGateway.start({
      DPOP: 'optional',
      JWT_SERVICE_AUDIENCES: 'reports',
      ...(redis && { SESSION_STORE: 'redis', REDIS_URL: redis.url }),
    });
    client = gateway.client;
    alice = await gateway.aSubject();
    [key, thief] = [await KeyHolder.make(), await KeyHolder.make()];
  });
  afterAll(async () => {
    await gateway.close();
    await redis?.close();
  });

  const signIn = async () => tokensOf(await key.login(alice));

  it('is created by a sign-in with a proof, which the reply shows', async () => {
    const reply = await key.login(alice);
    tokens = tokensOf(reply);
    expect(reply.data?.login).toMatchObject({ tokenType: 'DPoP', session: { keyBound: true } });
    expect(decodeJwt(tokens.accessToken).cnf).toEqual({ jkt: key.thumbprint });
    expect(reply.headers.getSetCookie().filter((cookie) => /_(access|refresh)=/.test(cookie))).toEqual([]);
    expect((await key.me(client, tokens.accessToken)).data?.me?.id).toBe(alice.id);
    const list = await client.execute(
      SessionsDocument,
      {},
      { headers: await key.headers(tokens.accessToken) },
    );
    expect(list.data?.sessions.find(({ current }) => current)).toMatchObject({ keyBound: true });
  });

  it('can be refreshed and stepped up with proofs of the same key, and stays bound', async () => {
    const { accessToken, refreshToken } = await signIn();
    const refreshed = await key.refresh(client, refreshToken);
    const next = tokensOf(refreshed);
    expect(refreshed.data?.refresh).toMatchObject({ tokenType: 'DPoP', session: { keyBound: true } });
    expect(decodeJwt(next.accessToken).cnf).toEqual({ jkt: key.thumbprint });
    const raised = await client.execute(
      ReauthenticateDocument,
      { password: alice.password },
      { headers: await key.headers(next.accessToken) },
    );
    expect(raised.data?.reauthenticate.tokenType).toBe('DPoP');
    expect(decodeJwt(tokensOf(raised).accessToken).cnf).toEqual({ jkt: key.thumbprint });
    expect((await key.me(client, accessToken)).errors).toEqual([]);
    expect((await key.refresh(client, tokensOf(raised).refreshToken)).errors).toEqual([]);
  });

  it('refuses its access token without the key', async () => {
    const { accessToken } = await signIn();
    const asBearer = await client.execute(MeDocument, {}, { bearer: accessToken });
    expect(asBearer.code).toBe('UNAUTHENTICATED');
    expect(asBearer.errors[0]?.message).toMatch(/bound to a key/);
    expect(asBearer.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_dpop_proof"/);
    const withoutProof = await client.execute(
      MeDocument,
      {},
      { headers: { authorization: `DPoP ${accessToken}` } },
    );
    expect(withoutProof.code).toBe('UNAUTHENTICATED');
    const byThief = await thief.me(client, accessToken);
    expect(byThief.code).toBe('UNAUTHENTICATED');
    expect(byThief.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_token"/);
    const bearerWithProof = await client.execute(
      MeDocument,
      {},
      { bearer: accessToken, headers: { dpop: await key.proof({ accessToken }) } },
    );
    expect(bearerWithProof.code).toBe('UNAUTHENTICATED');
    const cookie = `gatehouse_access=${accessToken}`;
    const byCookie = await client.execute(
      MeDocument,
      {},
      { headers: { cookie, dpop: await key.proof({ accessToken }) } },
    );
    expect(byCookie.code).toBe('UNAUTHENTICATED');
  });

  it('refuses its refresh token without the key, and stays alive with its generation unchanged', async () => {
    const { accessToken, refreshToken } = await signIn();
    const withoutProof = await client.execute(RefreshDocument, { refreshToken });
    expect(withoutProof.code).toBe('UNAUTHENTICATED');
    expect(withoutProof.errors[0]?.message).toMatch(/send a DPoP proof/);
    expect(withoutProof.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_dpop_proof"/);
    expect((await thief.refresh(client, refreshToken)).code).toBe('UNAUTHENTICATED');
    const { sid } = decodeJwt(accessToken);
    const recorded = await gateway.database.query<{ details: unknown }>(
      `select details from audit_event where action = 'session.key_not_proved' and details->>'sessionId' = $1
       order by id`,
      [sid],
    );
    expect(recorded.map(({ details }) => details)).toEqual([
      { sessionId: sid, anotherKey: false },
      { sessionId: sid, anotherKey: true },
    ]);
    expect(
      (
        await client.execute(
          RefreshDocument,
          {},
          { headers: { cookie: `gatehouse_refresh=${refreshToken}` } },
        )
      ).code,
    ).toBe('UNAUTHENTICATED');
    expect((await key.me(client, accessToken)).errors).toEqual([]);
    expect((await key.refresh(client, refreshToken)).errors).toEqual([]);
  });

  it('can be refreshed by its client while a thief presents its refresh token without the key', async () => {
    const { refreshToken } = await signIn();
    const limited = await gateway.another({ RATE_LIMIT: 'on', RATE_LIMIT_RULES: 'refresh.session=2/60' });
    try {
      for (const code of ['UNAUTHENTICATED', 'UNAUTHENTICATED', 'RATE_LIMITED']) {
        expect((await thief.refresh(limited.client, refreshToken)).code).toBe(code);
      }
      expect((await key.refresh(limited.client, refreshToken)).errors).toEqual([]);
    } finally {
      await limited.stop();
    }
  });

  it('binds a service token to its key too', async () => {
    const { accessToken } = await signIn();
    const { data } = await client.execute(
      AccessTokenForDocument,
      { audience: 'reports' },
      { headers: await key.headers(accessToken) },
    );
    expect(data?.accessTokenFor.tokenType).toBe('DPoP');
    expect(decodeJwt(data?.accessTokenFor.accessToken ?? '').cnf).toEqual({ jkt: key.thumbprint });
  });

  it('can be ended with its tokens alone', async () => {
    const { accessToken, refreshToken } = await signIn();
    await client.execute(LogoutDocument, { refreshToken });
    expect((await key.me(client, accessToken)).code).toBe('UNAUTHENTICATED');
  });

  it('is not created by a sign-in without a proof, whose tokens are bearer tokens', async () => {
    const reply = await alice.login();
    expect(reply.data?.login).toMatchObject({ tokenType: 'Bearer', session: { keyBound: false } });
    const { accessToken, refreshToken } = tokensOf(reply);
    expect((await alice.me(accessToken)).errors).toEqual([]);
    const asBound = await key.me(client, accessToken);
    expect(asBound.code).toBe('UNAUTHENTICATED');
    expect(asBound.errors[0]?.message).toMatch(/Bearer/);
    expect((await key.refresh(client, refreshToken)).data?.refresh).toMatchObject({ tokenType: 'Bearer' });
  });

  const seconds = () => Math.floor(gateway.clock.now() / 1000);
  const wrong: ReadonlyArray<[string, (accessToken: string) => Promise<string>]> = [
    ['another method', (accessToken) => key.proof({ accessToken, claims: { htm: 'GET' } })],
    [
      'another host',
      (accessToken) => key.proof({ accessToken, claims: { htu: 'http://evil.test/graphql' } }),
    ],
    [
      'another path',
      (accessToken) => key.proof({ accessToken, claims: { htu: 'http://localhost:4000/other' } }),
    ],
    ['no address', (accessToken) => key.proof({ accessToken, claims: { htu: undefined } })],
    ['a time too long ago', (accessToken) => key.proof({ accessToken, claims: { iat: seconds() - 62 } })],
    ['a time ahead', (accessToken) => key.proof({ accessToken, claims: { iat: seconds() + 35 } })],
    ['an end that is over', (accessToken) => key.proof({ accessToken, claims: { exp: seconds() - 35 } })],
    ['a start ahead', (accessToken) => key.proof({ accessToken, claims: { nbf: seconds() + 35 } })],
    ['no time', (accessToken) => key.proof({ accessToken, claims: { iat: undefined } })],
    ['no id', (accessToken) => key.proof({ accessToken, claims: { jti: undefined } })],
    ['an id without end', (accessToken) => key.proof({ accessToken, claims: { jti: 'x'.repeat(257) } })],
    ['another type of token', (accessToken) => key.proof({ accessToken, header: { typ: 'JWT' } })],
    ['no key', (accessToken) => key.proof({ accessToken, header: { jwk: undefined } })],
    ['the key of somebody else', (accessToken) => key.proof({ accessToken, header: { jwk: thief.jwk } })],
    ['no token that it belongs to', () => key.proof()],
    ['another token that it belongs to', () => key.proof({ accessToken: 'another' })],
    [
      'no signature',
      async (accessToken) => `${(await key.proof({ accessToken })).split('.').slice(0, 2).join('.')}.`,
    ],
    [
      'two in one header',
      async (accessToken) => `${await key.proof({ accessToken })}, ${await key.proof({ accessToken })}`,
    ],
    ['no form at all', async () => 'nonsense'],
  ];

  it.each(wrong)('refuses a proof with %s', async (_what, make) => {
    const { accessToken } = await signIn();
    const reply = await key.me(client, accessToken, await make(accessToken));
    expect(reply.code).toBe('UNAUTHENTICATED');
    expect(reply.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_(dpop_proof|token)", algs=/);
    expect((await key.me(client, accessToken)).errors).toEqual([]);
  });

  it('refuses a proof that is unsigned, or signed with a secret in its header', async () => {
    const { accessToken } = await signIn();
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [, payload = ''] = (await key.proof({ accessToken })).split('.');
    const secret = Buffer.alloc(32, 7).toString('base64url');
    const none = `${encode({ typ: 'dpop+jwt', alg: 'none', jwk: key.jwk })}.${payload}.`;
    const head = encode({ typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: secret } });
    const signature = createHmac('sha256', Buffer.alloc(32, 7))
      .update(`${head}.${payload}`)
      .digest('base64url');
    for (const proof of [none, `${head}.${payload}.${signature}`]) {
      const reply = await key.me(client, accessToken, proof);
      expect(reply.status).toBe(401);
      expect(reply.code).toBe('UNAUTHENTICATED');
    }
  });

  it('refuses malformed headers, without an internal error', async () => {
    const { accessToken } = await signIn();
    const [head = '', ...rest] = (await key.proof({ accessToken })).split('.');
    const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>;
    const oddities = [null, 1, '', 'x', [], {}, { kty: 'EC' }, { kty: 'RSA', n: {}, e: [] }, true];
    const keys = [
      ...oddities,
      { ...key.jwk, crv: 'P-384' },
      { ...key.jwk, x: 'AA' },
      { ...key.jwk, kty: 'OKP' },
    ];
    const heads = [
      ...oddities,
      ...keys.map((jwk) => ({ ...header, jwk })),
      ...oddities.map((alg) => ({ ...header, alg })),
      ...oddities.map((crit) => ({ ...header, crit })),
      ...oddities.map((typ) => ({ ...header, typ })),
    ];
    for (const odd of heads) {
      const proof = [Buffer.from(JSON.stringify(odd)).toString('base64url'), ...rest].join('.');
      const reply = await key.me(client, accessToken, proof);
      expect([reply.status, reply.code, odd]).toEqual([401, 'UNAUTHENTICATED', odd]);
    }
  });

  it('refuses a proof that contains the private key', async () => {
    const { accessToken } = await signIn();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = privateKey.export({ format: 'jwk' });
    const reply = await key.me(client, accessToken, await key.proof({ accessToken, header: { jwk } }));
    expect(reply.status).toBe(401);
  });

  it.each(['ES256', 'EdDSA', 'RS256', 'PS256'])('accepts a key for %s', async (algorithm) => {
    const holder = await KeyHolder.make(algorithm);
    const { accessToken } = tokensOf(await holder.login(alice));
    expect((await holder.me(client, accessToken)).errors).toEqual([]);
  });

  it('accepts htu in another spelling, and with a query', async () => {
    const { accessToken } = await signIn();
    for (const htu of ['HTTP://LOCALHOST:4000/graphql', `${UNUSED}?a=b#c`]) {
      const reply = await key.me(client, accessToken, await key.proof({ accessToken, claims: { htu } }));
      expect(reply.errors).toEqual([]);
    }
  });

  it('accepts a proof once, even when several requests race', async () => {
    const { accessToken } = await signIn();
    const proof = await key.proof({ accessToken });
    const replies = await race(12, () => key.me(client, accessToken, proof));
    expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
    expect(replies.find(({ errors }) => errors.length > 0)?.errors[0]?.message).toMatch(/used before/);
  });

  const twoProcesses = store === 'redis' ? it : it.skip;
  twoProcesses('accepts a proof once in all processes together', async () => {
    const other = await gateway.another();
    try {
      const { accessToken } = await signIn();
      for (let round = 0; round < 10; round += 1) {
        const proof = await key.proof({ accessToken });
        const replies = await race(8, (index) =>
          key.me(index % 2 ? client : other.client, accessToken, proof),
        );
        expect(replies.filter(({ errors }) => errors.length === 0)).toHaveLength(1);
      }
    } finally {
      await other.close();
    }
  });

  it('opens a WebSocket only with a proof in the headers of the handshake', async () => {
    const { accessToken } = await signIn();
    const url = `${gateway.url.replace('http', 'ws')}/graphql`;
    const claims = { htm: 'GET' };
    const open = async (headers: Record<string, string>) => {
      const socket = new WebSocket(url, 'graphql-transport-ws', { headers });
      const code = await new Promise<number>((resolve) => {
        socket.on('unexpected-response', (_request, { statusCode = 0 }) => resolve(statusCode));
        socket.on('error', () => {});
        socket.on('open', () => resolve(101));
      });
      socket.close();
      return code;
    };
    expect(await open(await key.headers(accessToken, await key.proof({ accessToken, claims })))).toBe(101);
    expect(await open(await key.headers(accessToken, await key.proof({ accessToken })))).toBe(401);
  });
});

describe('with DPOP=required', () => {
  let gateway: TestGateway;
  let alice: Subject;
  let key: KeyHolder;

  beforeAll(async () => {
    gateway = await TestGateway.start({ DPOP: 'required' });
    alice = await gateway.aSubject();
    key = await KeyHolder.make();
  });
  afterAll(() => gateway.close());

  it('refuses a sign-in without a proof', async () => {
    const reply = await alice.login();
    expect(reply.code).toBe('UNAUTHENTICATED');
    expect(reply.errors[0]?.message).toMatch(/send a DPoP proof/);
    expect(reply.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_dpop_proof"/);
    expect(await gateway.sessions.count(alice.id)).toBe(0);
    const { accessToken, refreshToken } = tokensOf(await key.login(alice));
    expect((await key.me(gateway.client, accessToken)).errors).toEqual([]);
    expect((await key.refresh(gateway.client, refreshToken)).errors).toEqual([]);
  });

  it('refuses sessions from before the setting', async () => {
    const before = await gateway.another({ DPOP: 'off' });
    const { accessToken, refreshToken } = tokensOf(await alice.login({ client: before.client }));
    await before.close();
    expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
    expect((await alice.refresh(refreshToken)).code).toBe('INVALID_REFRESH_TOKEN');
  });

  it('refuses bound sessions after it is turned off, even as bearers', async () => {
    const { accessToken, refreshToken } = tokensOf(await key.login(alice));
    const off = await gateway.another({ DPOP: 'off' });
    try {
      expect((await key.me(off.client, accessToken)).code).toBe('UNAUTHENTICATED');
      expect((await alice.me(accessToken, off.client)).code).toBe('UNAUTHENTICATED');
      expect((await alice.refresh(refreshToken, off.client)).code).toBe('UNAUTHENTICATED');
      expect((await alice.login({ client: off.client })).data?.login).toMatchObject({ tokenType: 'Bearer' });
    } finally {
      await off.close();
    }
  });
});

describe('the store of used proofs', () => {
  it('refuses a proof when it is full, so that it never forgets one', async () => {
    const cache = new InProcessReplayCache();
    for (let count = 0; count < 180_000; count += 1) await cache.use(String(count), 60);
    await expect(cache.use('one more', 60)).rejects.toThrow(ServiceUnavailable);
    expect(await cache.use('0', 60)).toBe(false);
  });

  it('forgets a proof after its time', async () => {
    const cache = new InProcessReplayCache();
    expect(await cache.use('a', 0.05)).toBe(true);
    expect(await cache.use('a', 0.05)).toBe(false);
    await elapse(100, 'longer than the 50 ms for which it is kept');
    expect(await cache.use('a', 0.05)).toBe(true);
  });

  it('works in each process separately while Redis is unavailable', async () => {
    const away = partOf<RedisConnection>('RedisConnection', { run: () => Promise.reject(new RedisAway()) });
    const [one, two] = [new RedisReplayCache(away), new RedisReplayCache(away)];
    expect([await one.use('a', 60), await one.use('a', 60), await two.use('a', 60)]).toEqual([
      true,
      false,
      true,
    ]);
  });
});
