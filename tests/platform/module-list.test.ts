import { describe, expect, it } from '@jest/globals';
import { Contributions, ModuleList } from '../../src/platform/module-list.ts';
import type { Composed, Module } from '../../src/platform/module-type.ts';

const early = {
  name: 'early-part',
  compose: ({ contributions }: { contributions: Contributions }) =>
    ({ services: { cookies: contributions.of('cookieNames') }, cookieNames: ['early'] }) satisfies Composed,
} as const satisfies Module;

const late = {
  name: 'late',
  compose: async ({ earlyPart }: { earlyPart: { cookies: readonly string[] } }) =>
    ({ services: { seen: [...earlyPart.cookies] }, cookieNames: ['late', 'later'] }) satisfies Composed,
} as const satisfies Module;

const silent = { name: 'silent' } as const satisfies Module;

const compose = () => {
  const contributions = new Contributions();
  return ModuleList.given<{ contributions: Contributions }>()
    .with(early)
    .with(silent)
    .with(late)
    .compose({ contributions }, contributions);
};

describe('a list of modules', () => {
  it('gives each module the services of those before it, by name', async () => {
    const { late: offered } = await compose();
    expect(offered.seen).toEqual(['early']);
  });

  it('completes the list of contributions that an earlier module keeps, in the order of the modules', async () => {
    const { earlyPart } = await compose();
    expect(earlyPart.cookies).toEqual(['early', 'late', 'later']);
  });
});
