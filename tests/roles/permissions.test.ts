import { readFile } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { GATEWAY_PERMISSIONS } from '../../src/modules.ts';

describe('the permissions of the gateway', () => {
  it('are listed in docs/administration.md', async () => {
    const text = await readFile('docs/administration.md', 'utf8');
    const listed = [...text.matchAll(/^\| `([a-z]+:[a-z]+)` /gm)].map((match) => match[1]);
    expect(listed.toSorted()).toEqual([...GATEWAY_PERMISSIONS].sort());
  });
});
