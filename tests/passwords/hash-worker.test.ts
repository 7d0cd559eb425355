import { beforeAll, describe, expect, it } from '@jest/globals';
import { hashSync as argon2Hash } from '@node-rs/argon2';
import { hashSync as bcryptHash } from 'bcryptjs';
import { hash, verify } from '../../src/passwords/hash-worker.ts';
import { currentCost, type StoredHash } from '../../src/passwords/stored-hash.ts';

const ROUNDS = 5;
const PASSWORD = 'copper lantern drifting';
const WRONG = 'a wrong password';
const BCRYPT = { name: 'bcrypt', target: currentCost('bcrypt', 9), stored: bcryptHash(PASSWORD, 9) };
const ARGON2ID = {
  name: 'Argon2id',
  target: currentCost('argon2id', 9),
  stored: hash({ scheme: 'argon2id', bcryptCost: 9, secret: PASSWORD }),
};
const IMPORTED = {
  'bcrypt of cost 4': bcryptHash(PASSWORD, 4),
  'Argon2id of 19 MiB': argon2Hash(PASSWORD, { memoryCost: 19_456, timeCost: 2, parallelism: 1 }),
};

interface Comparison {
  readonly target: StoredHash;
  readonly matchShows?: boolean;
}

/** Milliseconds of processor time, the median of some comparisons. Other programs on the machine hardly change it. */
function costOf(stored: string, secret: string, { target, matchShows = false }: Comparison): number {
  const costs = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage();
    verify({ hash: stored, secret, target, matchShows, rehash: null });
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return costs.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
}

describe.each([BCRYPT, ARGON2ID])('where $name is configured, a comparison', ({ target, stored }) => {
  let usual: number;
  beforeAll(() => {
    usual = costOf(stored, WRONG, { target });
  });
  // Without padding the imported hashes take at most 0.4 of the usual time. Across schemes the padding is an estimate.
  const expectUsual = (cost: number) => {
    expect(cost / usual).toBeGreaterThan(0.6);
    expect(cost / usual).toBeLessThan(1.7);
  };

  it.each(Object.entries(IMPORTED))('with a wrong password costs the usual time for %s', (_, imported) => {
    expectUsual(costOf(imported, WRONG, { target }));
  });

  it('with the right password costs the usual time when the match must not show', () => {
    expectUsual(costOf(IMPORTED['bcrypt of cost 4'], PASSWORD, { target }));
  });

  it('with the right password is not padded when the match may show', () => {
    const cost = costOf(IMPORTED['bcrypt of cost 4'], PASSWORD, { target, matchShows: true });
    expect(cost / usual).toBeLessThan(0.5);
  });
});
