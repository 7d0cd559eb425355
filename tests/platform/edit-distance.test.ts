import { describe, expect, it } from '@jest/globals';
import { isWithinEdits, nearest } from '../../src/platform/edit-distance.ts';

describe('the distance of two texts', () => {
  it.each([
    ['', '', 0],
    ['PORT', 'PORT', 0],
    ['', 'A', 1],
    ['PORTS', 'PORT', 1],
    ['PRT', 'PORT', 1],
    ['SORT', 'PORT', 1],
    ['user:raed', 'user:read', 1],
    ['SMPT_URL', 'SMTP_URL', 1],
    ['ab', 'ba', 1],
    ['ROOT', 'PORT', 2],
    ['kitten', 'sitting', 3],
    ['abc', '', 3],
    ['CA', 'ABC', 3],
  ])('from %j to %j is %i edits, in both directions', (one, other, edits) => {
    for (const [a, b] of [
      [one, other],
      [other, one],
    ] as const) {
      expect(isWithinEdits(a, b, edits)).toBe(true);
      if (edits > 0) expect(isWithinEdits(a, b, edits - 1)).toBe(false);
    }
  });

  it('finds the nearest candidate, and none that is too far away', () => {
    expect(nearest('login.adress', ['login.access', 'login.address'], 2)).toBe('login.address');
    expect(nearest('login', ['logout', 'register'], 1)).toBeUndefined();
  });
});
