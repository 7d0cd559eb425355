/** @topology one: reads the log of one process */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestGateway } from '../support/gateway.ts';
import { eventually } from '../support/race.ts';
import { aRole } from '../support/staff.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start({ SECOND_FACTOR_REQUIRED_FOR: 'superusr,night-shift' });
});
afterAll(() => gateway.close());

const hints = (about: RegExp, at = gateway): string[] =>
  at.logLines
    .map((line) => JSON.parse(line) as { level: string; msg: string })
    .filter(({ level, msg }) => level === 'warn' && about.test(msg))
    .map(({ msg }) => msg);

describe('a role in SECOND_FACTOR_REQUIRED_FOR', () => {
  it('that does not exist is reported at the start, with a similar name', () => {
    expect(hints(/SECOND_FACTOR_REQUIRED_FOR/)).toEqual([
      'SECOND_FACTOR_REQUIRED_FOR names the role superusr, which does not exist: did you mean superuser?',
      'SECOND_FACTOR_REQUIRED_FOR names the role night-shift, which does not exist',
    ]);
  });

  it('named superuser is not reported, because it comes with the first superuser', async () => {
    const another = await gateway.another({ SECOND_FACTOR_REQUIRED_FOR: 'superuser' });
    try {
      expect(hints(/SECOND_FACTOR_REQUIRED_FOR/, another)).toEqual([]);
    } finally {
      await another.close();
    }
  });
});

describe('a permission that is one letter away from a permission of the gateway', () => {
  it('is reported when a role gets it, and at every start; other names of services are not', async () => {
    const { name } = await aRole(gateway, ['user:raed', 'user:read', 'invoice:read']);
    const expected = [
      `The role ${name} has the permission user:raed, which the gateway does not know: did you mean user:read?`,
    ];
    expect(
      await eventually(
        async () => hints(/permission/),
        (found) => found.length > 0,
      ),
    ).toEqual(expected);
    const another = await gateway.another();
    try {
      expect(hints(/permission/, another)).toEqual(expected);
    } finally {
      await another.close();
    }
  });
});
