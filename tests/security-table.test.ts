import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const text = readFileSync('docs/security.md', 'utf8');
const rows = [...text.matchAll(/^\| (\d+) +\| (.*?) \| (.*?) \| (.*?) \|$/gm)].map(
  ([, number, rule = '', state = '', tests = '']) => ({
    number: Number(number),
    rule: rule.trim(),
    state: state.trim(),
    tests: [...tests.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, path = '']) => path),
  }),
);

describe('the table of docs/security.md', () => {
  it('has every rule once, in order', () => {
    const [, count] = /^(\d+) rules that can be tested/m.exec(text) ?? [];
    expect(rows.map(({ number }) => number)).toEqual(
      Array.from({ length: Number(count) }, (_, index) => index + 1),
    );
    expect(rows.filter(({ rule }) => rule === '')).toEqual([]);
  });

  it('names only existing tests', () => {
    const named = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, path = '']) => join('docs', path));
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
  });

  it('names for each rule the tests that hold it, or the reason why there are none', () => {
    const unfounded = rows.filter(
      ({ state, tests }) =>
        !/^(held|partly|decided|not yet)/.test(state) || (/^(held|partly)/.test(state) && tests.length === 0),
    );
    expect(unfounded).toEqual([]);
  });
});
