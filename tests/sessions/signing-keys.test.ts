/** @topology one: has two processes of its own, and reads the state of each */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { COMMAND_LINE } from '../../src/platform/request/index.ts';
import type { RotationMode } from '../../src/sessions/index.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { elapse, eventually, race } from '../support/race.ts';
import { type Subject, tokensOf } from '../support/subject.ts';

/** Seconds: short, so that a whole rotation takes a few dozen steps. */
const TTL = 600;
/** Seconds: the delays of a rotation (key-rotation.ts). */
const PUBLISHED_BEFORE_USE = 600;
const CLOCK_SLACK = 60;

const secrets = newSecrets();
let gateway: TestGateway;
let second: TestGateway;
let alice: Subject;

beforeEach(async () => {
  gateway = await TestGateway.start({
    ...secrets,
    ACCESS_TOKEN_TTL_SECONDS: String(TTL),
    REVOCATION_MAX_STALENESS_SECONDS: '1',
  });
  second = await gateway.another();
  alice = await gateway.aSubject();
});
afterEach(async () => {
  await second.close();
  await gateway.close();
});

const both = () => [gateway, second];
const rotate = async (mode: RotationMode = 'announced', at: TestGateway = gateway) => {
  const next = await at.gateway.keyRotation.rotate(at.gateway.fork(), mode, COMMAND_LINE);
  if (!next) throw new Error('a key file signs');
  return next;
};
const list = (at: TestGateway = gateway) => at.gateway.signingKeys.list();
const kidOf = (token: string) => decodeProtectedHeader(token).kid;
const signIn = async (at: TestGateway = gateway) => (await alice.signedIn({ client: at.client })).accessToken;
const published = async (at: TestGateway = gateway) => {
  const response = await fetch(`${at.url}/.well-known/jwks.json`);
  const { keys } = (await response.json()) as { keys: { kid: string }[] };
  return keys.map(({ kid }) => kid).sort();
};
const wake = `insert into ending (kind, matters_until, kept_until)
              values ('KEYS', now() + interval '1 hour', now() + interval '1 hour')`;

/** Lets time pass: moves the rows into the past, and the processes' clocks into the future. */
async function pass(seconds: number): Promise<void> {
  const before = new Map(list().map(({ kid, createdAt }) => [kid, createdAt?.getTime() ?? 0]));
  await gateway.database.query(
    `with moved as (
       update signing_key set created_at = created_at - passed, signs_from = signs_from - passed,
              retires_at = retires_at - passed, removed_after = removed_after - passed
       from make_interval(secs => ${seconds}) as passed)
     ${wake}`,
  );
  for (const at of both()) {
    at.clock.advance(seconds);
    // Reads at once, instead of at the next poll half a second later. Other tests show that a process needs no such
    // call.
    await at.gateway.caughtUp();
    await eventually(
      async () => list(at),
      (keys) =>
        keys.every(({ kid, createdAt }) => createdAt?.getTime() === (before.get(kid) ?? 0) - seconds * 1000),
      { withinMilliseconds: 2_000 },
    );
  }
}

describe('a rotation', () => {
  it('publishes the new key at once in every process, and signs with the old one until other services can know the new one', async () => {
    const old = list()[0]?.kid;
    const { kid, signsFrom } = await rotate();
    expect(list().map(({ kid, state }) => [kid, state])).toEqual([
      [kid, 'published'],
      [old, 'signing'],
    ]);
    expect(Math.abs(signsFrom.getTime() - Date.now() - PUBLISHED_BEFORE_USE * 1000)).toBeLessThan(5_000);
    for (const at of both()) {
      await eventually(
        () => published(at),
        (kids) => kids.length === 2,
        { withinMilliseconds: 1_000 },
      );
      expect(await published(at)).toEqual([kid, old].sort());
      expect(kidOf(await signIn(at))).toBe(old);
    }
  });

  it('continues by itself: the new key signs, and the old one is removed when its last token has expired', async () => {
    const old = list()[0]?.kid;
    const { kid } = await rotate();
    await pass(PUBLISHED_BEFORE_USE - 10);
    const last = await signIn(second);
    expect(kidOf(last)).toBe(old);

    await pass(10);
    for (const at of both()) {
      expect(kidOf(await signIn(at))).toBe(kid);
      expect((await alice.me(last, at.client)).errors).toEqual([]);
      expect(list(at).map(({ state }) => state)).toEqual(['signing', 'retiring']);
    }

    await pass(TTL + CLOCK_SLACK - 30);
    for (const at of both()) expect(await published(at)).toEqual([kid, old].sort());
    await pass(30);
    for (const at of both()) expect(await published(at)).toEqual([kid]);
  });

  it('follows the clock without a wake-up', async () => {
    const { kid } = await rotate();
    await pass(PUBLISHED_BEFORE_USE - 1);
    for (const at of both()) {
      await eventually(
        () => signIn(at),
        (token) => kidOf(token) === kid,
        { withinMilliseconds: 2_000 },
      );
    }
  });

  it('fails no request: every token is accepted everywhere until it expires, even with a cached key set', async () => {
    const keys = createRemoteJWKSet(new URL(`${second.url}/.well-known/jwks.json`), {
      cacheMaxAge: Number.POSITIVE_INFINITY,
      cooldownDuration: Number.POSITIVE_INFINITY,
    });
    await keys.reload();
    const { kid } = await rotate();
    const tokens: string[] = [];
    const seen = new Set<unknown>();
    const step = 60;
    for (let passed = 0; passed <= PUBLISHED_BEFORE_USE + TTL + 2 * CLOCK_SLACK; passed += step) {
      // Services may cache the set for the published max-age. An unknown kid does not make them reload it.
      if (passed > 0 && passed % 300 === 0) await keys.reload();
      tokens.push(...(await Promise.all(both().map(signIn))));
      const currentDate = new Date(gateway.clock.now());
      const good = tokens.filter(
        (token) => (decodeJwt(token).exp ?? 0) * 1000 > currentDate.getTime() + 1_000,
      );
      for (const token of good) {
        seen.add(kidOf(token));
        await expect(jwtVerify(token, keys, { currentDate })).resolves.toBeTruthy();
        for (const at of both()) expect((await alice.me(token, at.client)).errors).toEqual([]);
      }
      await pass(step);
    }
    expect(seen.size).toBe(2);
    expect(await published()).toEqual([kid]);
  }, 120_000);

  it('fails no request under load, at a verifier that caches the key set', async () => {
    // The times of a rotation, divided by 200: 3 s of publication, a cache of 1 s that is only refreshed by
    // age, and tokens that are used for 1 s.
    const keys = createRemoteJWKSet(new URL(`${second.url}/.well-known/jwks.json`), {
      cacheMaxAge: 1_000,
      cooldownDuration: Number.POSITIVE_INFINITY,
    });
    const failures: string[] = [];
    const seen = new Set<unknown>();
    let requests = 0;
    let isOver = false;
    const use = async (token: string, at: TestGateway) => {
      requests += 1;
      const { errors } = await alice.me(token, at.client);
      if (errors.length > 0) failures.push(`${kidOf(token)} refused by a gateway`);
      await jwtVerify(token, keys).catch((error: Error) =>
        failures.push(`${kidOf(token)}: ${error.message}`),
      );
    };
    const work = async (index: number) => {
      const [here, there] = index % 2 === 0 ? [gateway, second] : [second, gateway];
      let { accessToken, refreshToken } = await alice.signedIn({ client: here.client });
      while (!isOver) {
        seen.add(kidOf(accessToken));
        const until = performance.now() + 500 * Math.random();
        do await Promise.all([use(accessToken, here), use(accessToken, there)]);
        while (performance.now() < until);
        ({ accessToken, refreshToken } = tokensOf(await alice.refresh(refreshToken, here.client)));
      }
    };
    const working = race(6, work);
    await eventually(
      async () => requests,
      (count) => count > 50,
    );
    const old = kidOf(await signIn());
    const { kid } = await rotate();
    await gateway.database.query(
      `with soon as (select now() + interval '3 seconds' as at),
            next as (update signing_key set signs_from = soon.at from soon where kid = $1),
            last as (update signing_key set retires_at = soon.at, removed_after = soon.at + interval '4 seconds'
                     from soon where kid = $2)
       ${wake}`,
      [kid, old],
    );
    await eventually(
      async () => list(second).length + list(gateway).length,
      (keysLeft) => keysLeft === 2,
      { withinMilliseconds: 10_000 },
    );
    isOver = true;
    await working;
    expect(failures).toEqual([]);
    expect([...seen].sort()).toEqual([old, kid].sort());
    expect(requests).toBeGreaterThan(200);
  });

  it('is refused while another one is pending, and one of ten concurrent ones succeeds', async () => {
    const outcomes = await race(10, () => rotate().catch((error: Error) => error.message));
    const made = outcomes.filter((outcome) => typeof outcome === 'object');
    expect(made).toHaveLength(1);
    const refusal = outcomes.find((outcome) => typeof outcome === 'string');
    expect(refusal).toContain(made[0]?.kid);
    expect(refusal).toContain('--now');
    expect(list()).toHaveLength(2);
  });

  it('with --now lets the pending key or a new one sign, as soon as every gateway can know it', async () => {
    const signsEverywhere = async (kid: string) => {
      for (const at of both()) {
        await eventually(
          async () => list(at).find((key) => key.kid === kid)?.state,
          (state) => state === 'signing',
        );
      }
    };
    const pending = await rotate();
    expect((await rotate('now')).kid).toBe(pending.kid);
    await signsEverywhere(pending.kid);
    const another = await rotate('now');
    expect(another.kid).not.toBe(pending.kid);
    expect(another.signsFrom.getTime() - Date.now()).toBeGreaterThan(1_000);
    expect(kidOf(await signIn())).toBe(pending.kid);
    await signsEverywhere(another.kid);
    expect(kidOf(await signIn())).toBe(another.kid);
    expect(list().map(({ state }) => state)).toEqual(['signing', 'retiring', 'retiring']);
    expect(list().every(({ state, removedAfter }) => (removedAfter === null) === (state === 'signing'))).toBe(
      true,
    );
  });

  it('can be followed by the next one', async () => {
    const first = await rotate();
    await pass(PUBLISHED_BEFORE_USE);
    const next = await rotate();
    expect(list().map(({ kid, state }) => [kid, state])).toEqual([
      [next.kid, 'published'],
      [first.kid, 'signing'],
      [expect.any(String), 'retiring'],
    ]);
    await pass(PUBLISHED_BEFORE_USE + TTL + CLOCK_SLACK);
    expect(await published()).toEqual([next.kid]);
  });

  it('to another algorithm by setting is published before it signs, and known to processes with the former algorithm', async () => {
    const third = await gateway.another({ JWT_ALG: 'ES256' });
    try {
      expect(list(third).map(({ algorithm, state }) => [algorithm, state])).toEqual([
        ['ES256', 'published'],
        ['RS256', 'signing'],
      ]);
      expect(decodeProtectedHeader(await signIn(third)).alg).toBe('RS256');
      await eventually(
        () => published(second),
        (kids) => kids.length === 2,
        { withinMilliseconds: 1_000 },
      );
      await pass(PUBLISHED_BEFORE_USE);
      third.clock.advance(PUBLISHED_BEFORE_USE);
      await eventually(
        async () => list(third)[0]?.state,
        (state) => state === 'signing',
        { withinMilliseconds: 2_000 },
      );
      const token = await signIn(third);
      expect(decodeProtectedHeader(token).alg).toBe('ES256');
      for (const at of both()) {
        await eventually(
          () => alice.me(token, at.client),
          ({ errors }) => errors.length === 0,
          { withinMilliseconds: 1_000 },
        );
      }
      expect(decodeProtectedHeader(await signIn()).alg).toBe('RS256');
      const { kid } = await rotate('now', third);
      await eventually(
        () => signIn(second),
        (token) => kidOf(token) === kid,
        { withinMilliseconds: 4_000 },
      );
    } finally {
      await third.close();
    }
  });

  it('is audited', async () => {
    const { kid } = await rotate();
    const events = await gateway.database.query(
      `select actor_id, details->>'kid' as kid, details->>'mode' as mode from audit_event where action = 'key.rotated'`,
    );
    expect(events).toEqual([{ actor_id: null, kid, mode: 'announced' }]);
  });

  it('is refused for a key from a file, and an emergency then voids the keys of the database', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-key-'));
    const file = join(folder, 'key.pem');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const third = await gateway.another({ JWT_PRIVATE_KEY_FILE: file });
    try {
      const { keyRotation, fork } = third.gateway;
      for (const mode of ['announced', 'now'] as const) {
        await expect(keyRotation.rotate(fork(), mode, COMMAND_LINE)).rejects.toThrow(
          'write a new key into the file',
        );
      }
      expect(list(third).map(({ state }) => state)).toEqual(['signing', 'published']);
      expect(await published(third)).toHaveLength(2);

      const old = await signIn();
      const own = await signIn(third);
      const [kept] = list();
      expect(await keyRotation.rotate(fork(), 'emergency', COMMAND_LINE)).toBeNull();
      expect((await alice.me(old, third.client)).code).toBe('UNAUTHENTICATED');
      expect((await alice.me(own, third.client)).errors).toEqual([]);
      expect(list(third).map(({ state }) => state)).toEqual(['signing']);
      expect(await published(third)).toEqual([kidOf(own)]);
      const rows = await gateway.database.query(
        `select kid, sealed_private_key is not null as kept from signing_key`,
      );
      expect(rows).toEqual([{ kid: kept?.kid, kept: false }]);
      const voided = await gateway.database.query(
        `select details->>'kid' as kid from audit_event where action = 'key.voided'`,
      );
      expect(voided).toEqual([{ kid: kept?.kid }]);
    } finally {
      await third.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe('an emergency rotation', () => {
  it('voids every access token in every process within a second, and no session', async () => {
    const tokens = await Promise.all(both().map((at) => alice.signedIn({ client: at.client })));
    const pending = await rotate();
    const old = list().map(({ kid }) => kid);
    const { kid } = await rotate('emergency');
    for (const { accessToken } of tokens) {
      expect((await alice.me(accessToken)).code).toBe('UNAUTHENTICATED');
      await eventually(
        () => alice.me(accessToken, second.client),
        ({ code }) => code === 'UNAUTHENTICATED',
        { withinMilliseconds: 1_000 },
      );
    }
    for (const at of both()) expect(await published(at)).toEqual([kid]);
    for (const { refreshToken } of tokens) {
      const { accessToken } = tokensOf(await alice.refresh(refreshToken, second.client));
      expect(kidOf(accessToken)).toBe(kid);
      for (const at of both()) expect((await alice.me(accessToken, at.client)).errors).toEqual([]);
    }
    expect(old).toContain(pending.kid);
    const events = await gateway.database.query<{ kid: string }>(
      `select details->>'kid' as kid from audit_event where action = 'key.voided' and actor_id is null`,
    );
    expect(events.map((event) => event.kid).sort()).toEqual(old.sort());
  });

  it('deletes the private keys, and a process can start without them', async () => {
    await rotate('emergency');
    const rows = await gateway.database.query<{ kept: boolean }>(
      'select sealed_private_key is not null as kept from signing_key order by created_at',
    );
    expect(rows).toEqual([{ kept: false }, { kept: true }]);
    const third = await gateway.another();
    expect(list(third)).toEqual(list());
    await third.close();
  });

  it('takes effect in a process that cannot reread its keys, which otherwise goes on with its old ones', async () => {
    const token = await signIn(second);
    const kid = kidOf(token);
    await gateway.database.query(
      `insert into signing_key (kid, algorithm, public_key, sealed_private_key, signs_from)
       select 'damaged', algorithm, public_key, 'damaged', now() + interval '1 hour' from signing_key`,
    );
    await gateway.database.query(wake);
    await elapse(1_600, 'longer than the allowed staleness: from now on the database is asked');
    expect((await alice.me(token, second.client)).errors).toEqual([]);
    expect(kidOf(await signIn(second))).toBe(kid);

    await gateway.database.query(
      `with voided as (update signing_key set retires_at = now(), removed_after = now() where kid = $1) ${wake}`,
      [kid],
    );
    await eventually(
      () => alice.me(token, second.client),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_500 },
    );
  });

  it('is noticed after a gap in reading revocations, even when its revocation has expired by then', async () => {
    const kid = list(second)[0]?.kid;
    await gateway.database.query('revoke select on ending from gatehouse_app');
    await elapse(1_600, 'longer than the allowed staleness: only then it is a gap');
    await gateway.database.query(
      'update signing_key set retires_at = now(), removed_after = now() where kid = $1',
      [kid],
    );
    await gateway.database.query('grant select on ending to gatehouse_app');
    await eventually(
      () => published(second),
      (kids) => kids.length === 0,
      { withinMilliseconds: 1_500 },
    );
  });
});
