import { describe, expect, it } from '@jest/globals';
import { Hints } from '../../src/platform/hints.ts';

const listen = () => {
  const [logged, shown]: [unknown[][], string[]] = [[], []];
  const log = { warn: (...line: unknown[]) => void logged.push(line) };
  const console = { write: (text: string) => shown.push(text) > 0 };
  return { logged, shown, hints: new Hints(log, console), quiet: new Hints(log, undefined) };
};

describe('a hint', () => {
  it('is written to the log, and to the console of a developer with the setting on a line of its own', () => {
    const { hints, quiet, logged, shown } = listen();
    hints.give({ message: 'Set:', set: 'CLIENT_ORIGIN=http://localhost:4250' });
    quiet.give({ message: 'In the log.' });
    expect(logged).toEqual([
      [{ set: 'CLIENT_ORIGIN=http://localhost:4250' }, 'Set:'],
      [{ set: undefined }, 'In the log.'],
    ]);
    expect(shown.join('')).toMatch(/Set:\n\s+CLIENT_ORIGIN=http:\/\/localhost:4250\n/);
    expect(shown.join('')).not.toContain('In the log.');
  });

  it('is given once for each subject of a kind, and for at most 32 subjects of a kind', () => {
    const { hints, logged } = listen();
    for (let n = 0; n < 100; n++) {
      for (const kind of ['one', 'other']) hints.once(kind, `subject ${n >> 1}`, () => ({ message: kind }));
    }
    expect(logged).toHaveLength(64);
  });
});
