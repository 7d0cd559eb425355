/** @topology one: starts processes whose clocks are wrong */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { decodeJwt } from 'jose';
import { DatabaseClock } from '../../src/platform/database-clock.ts';
import { Client } from '../support/client.ts';
import { TestGateway } from '../support/gateway.ts';
import { freePort, GatehouseProcess } from '../support/process.ts';
import { eventually } from '../support/race.ts';

jest.setTimeout(90_000);

describe('the database clock', () => {
  const MACHINE = 1_000_000;
  const clockAt = () =>
    new DatabaseClock(
      () => {},
      () => MACHINE,
    );
  const seenBy = (clock: DatabaseClock) => Math.round(clock.now() - performance.now());

  it('is the clock of the machine until the database was asked', () => {
    expect(clockAt().now()).toBe(MACHINE);
  });

  it('uses the fastest answer', () => {
    const clock = clockAt();
    const at = performance.now();
    clock.learn(at + 5_000, at - 400, at + 400);
    clock.learn(at + 5_100, at - 10, at + 10);
    clock.learn(at + 5_200, at - 200, at + 200);
    expect(seenBy(clock)).toBe(5_100);
  });

  it('follows a database clock that was set, as soon as an answer contradicts the known offset', () => {
    const clock = clockAt();
    const at = performance.now();
    clock.learn(at + 5_000, at - 1, at + 1);
    clock.learn(at + 65_000, at - 100, at + 100);
    expect(seenBy(clock)).toBe(65_000);
  });
});

describe('a database that does not answer with its time', () => {
  it('is logged, and stops nothing', async () => {
    const gateway = await TestGateway.start();
    const name = 'pg_catalog.clock_timestamp()';
    try {
      await gateway.database.querySuperuserHere(`revoke execute on function ${name} from public`);
      await eventually(
        async () => gateway.logLines.some((line) => line.includes('the time of the database cannot be read')),
        (isSaid) => isSaid,
        { withinMilliseconds: 20_000 },
      );
      expect((await fetch(`${gateway.url}/health/live`)).status).toBe(200);
    } finally {
      await gateway.close();
    }
  });
});

/** Shows a process another time, except on the monotonic clock. Undefined without faketime. */
function wrongClock(offset: string): Record<string, string> | undefined {
  const { stdout } = spawnSync('faketime', ['-f', offset, 'env'], { encoding: 'utf8' });
  const preload = /^LD_PRELOAD=(.+)$/m.exec(stdout ?? '')?.[1];
  if (preload === undefined) return undefined;
  return { LD_PRELOAD: preload, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

(wrongClock('+0s') ? describe : describe.skip)('a gateway on a machine whose clock is wrong', () => {
  const key = () => randomBytes(32).toString('base64');
  const keys = { TOKEN_KEY: key(), ENCRYPTION_KEY: key(), PASSWORD_PEPPER: key() };
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await TestGateway.start(keys);
  });
  afterEach(() => GatehouseProcess.killAll());
  afterAll(() => gateway.close());

  const environment = async (offset: string) => ({
    NODE_ENV: 'test',
    PORT: await freePort(),
    PUBLIC_URL: 'http://localhost:4000',
    DATABASE_URL: gateway.database.servingUrl,
    DATABASE_MIGRATION_URL: gateway.database.ownerUrl,
    ...keys,
    ...wrongClock(offset),
  });

  it.each(['-40s', '+40s'])('accepts and issues tokens by the time of the database (%s)', async (offset) => {
    const settings = await environment(offset);
    const process = await GatehouseProcess.start(settings);
    const there = new Client(`http://127.0.0.1:${settings.PORT}`);
    const alice = await gateway.aSubject();
    const { accessToken, refreshToken } = await alice.signedIn();
    expect((await alice.me(accessToken, there)).data?.me?.id).toBe(alice.id);
    const renewed = await alice.refresh(refreshToken, there);
    const { iat = 0 } = decodeJwt(renewed.data?.refresh.accessToken ?? '');
    expect(Math.abs(iat - Date.now() / 1000)).toBeLessThan(5);
    const ready = await fetch(`http://127.0.0.1:${settings.PORT}/health/ready`);
    const { clockOffsetSeconds } = (await ready.json()) as { clockOffsetSeconds: number };
    expect(Math.abs(clockOffsetSeconds - Number.parseInt(offset, 10))).toBeLessThan(5);
    await eventually(
      async () => process.errors,
      (log) => log.includes('the clock of this machine differs from'),
    );
  });

  it('does not start when it is off by more than five minutes', async () => {
    const started = GatehouseProcess.run(['start'], await environment('-70m'));
    expect(await started.ended).toBe(1);
    expect(started.errors).toMatch(
      /The clock of this machine is -4\d\d\d.* s ahead of the database's. Set both by NTP/,
    );
  });
});
