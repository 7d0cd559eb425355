import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../../support/gateway.ts';
import { ConfirmTotpDocument } from '../../support/generated/operations.ts';
import { challengeOf, completeLogin, startEnrolment } from '../../support/second-factor.ts';
import { tokensOf } from '../../support/subject.ts';

const installed = spawnSync('oathtool', ['--version']).status === 0;
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
  gateway.clock.toMidStep();
});
afterAll(() => gateway.close());

/** The code that an independent implementation computes. */
function code(secret: string, steps = 0): string {
  const time = new Date(gateway.clock.now() + steps * 30_000).toISOString().replace(/\.\d+Z$/, ' UTC');
  const { stdout, stderr } = spawnSync(
    'oathtool',
    ['--totp', '--base32', '--now', time.replace('T', ' '), secret],
    { encoding: 'utf8' },
  );
  if (stderr !== '') throw new Error(stderr);
  return stdout.trim();
}

(installed ? describe : describe.skip)('a code of oathtool', () => {
  it('confirms the enrolment and signs in, in one step and in two', async () => {
    const alice = await gateway.aSubject();
    const { accessToken: bearer } = await alice.signedIn();
    const { secret } = await startEnrolment(alice, bearer);
    const confirmed = await gateway.client.execute(
      ConfirmTotpDocument,
      { securityCode: code(secret, -1) },
      { bearer },
    );
    expect(confirmed.errors).toEqual([]);
    expect(tokensOf(await alice.login({ securityCode: code(secret) }))).toBeDefined();
    const challenge = await challengeOf(alice);
    expect(
      (await completeLogin(gateway.client, { challenge, securityCode: code(secret, 1) })).errors,
    ).toEqual([]);
  });
});
