/** @topology one: is about commands, not about requests */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command } from '../support/command.ts';
import { newSecrets, TestGateway } from '../support/gateway.ts';
import { eventually } from '../support/race.ts';

const secrets = newSecrets();
const TIME = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
/** A whole line of the output, which contains nothing else. */
const line = (state: string, removed: string) =>
  new RegExp(
    `^[\\w-]{43}  RS256  ${state.padEnd(9)}  created ${TIME}  signs from ${TIME}  removed after ${removed}$`,
  );
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start(secrets);
});
afterAll(() => gateway.close());

async function keys(args: string[], settings: Record<string, string> = {}) {
  const { code, output, errors } = await command(['keys', ...args], {
    NODE_ENV: 'test',
    DATABASE_URL: gateway.database.servingUrl,
    DATABASE_MIGRATION_URL: gateway.database.ownerUrl,
    ...secrets,
    ...settings,
  });
  return { code, lines: output.trimEnd().split('\n'), errors: errors.trimEnd() };
}

describe('gatehouse keys', () => {
  it('lists the keys, one line each, without key material', async () => {
    expect(await keys(['list'])).toEqual({
      code: 0,
      lines: [expect.stringMatching(line('signing', '-'))],
      errors: '',
    });
  });

  it('rotates once, and says when the new key starts to sign', async () => {
    const rotated = await keys(['rotate']);
    expect(rotated).toMatchObject({ code: 0, errors: '' });
    expect(rotated.lines[0]).toMatch(
      new RegExp(`^The key [\\w-]{43} is published, and signs from ${TIME} on\\.`),
    );
    expect((await keys(['list'])).lines).toEqual([
      expect.stringMatching(line('published', '-')),
      expect.stringMatching(line('signing', TIME)),
    ]);
    const again = await keys(['rotate']);
    expect(again).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^The key [\w-]{43} was made already/),
    });
  });

  it('makes the pending key sign at once', async () => {
    expect((await keys(['rotate', '--now'])).lines[0]).toMatch(
      /^The key [\w-]{43} is published, and signs from /,
    );
    const { lines } = await eventually(
      () => keys(['list']),
      ({ lines: [newest] }) => newest?.includes('signing') === true,
    );
    expect(lines).toEqual([
      expect.stringMatching(line('signing', '-')),
      expect.stringMatching(line('retiring', TIME)),
    ]);
  });

  it('voids every key in an emergency, in running processes too', async () => {
    const alice = await gateway.aSubject();
    const { accessToken } = await alice.signedIn();
    expect(await keys(['rotate', '--emergency'])).toMatchObject({ code: 0, errors: '' });
    await eventually(
      () => alice.me(accessToken),
      ({ code }) => code === 'UNAUTHENTICATED',
      { withinMilliseconds: 1_000 },
    );
    expect((await keys(['list'])).lines).toEqual([expect.stringMatching(line('signing', '-'))]);
  });

  it('refuses --now together with --emergency', async () => {
    expect((await keys(['rotate', '--now', '--emergency'])).code).not.toBe(0);
  });
});
