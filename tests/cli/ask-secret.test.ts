/** @topology one: is about a terminal, not about requests */
import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { askNewSecret } from '../../src/cli/streams.ts';

/** A terminal on which a person types each line after its prompt. */
function terminal(typed: readonly string[]) {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = new PassThrough();
  const left = [...typed];
  let shown = '';
  output.on('data', (chunk) => {
    shown += String(chunk);
    if (/: $/.test(String(chunk))) setImmediate(() => input.write(`${left.shift() ?? '\x03'}\r`));
  });
  return { streams: { input: input as never, output }, shown: () => shown };
}

const refuseShort = (secret: string) => (secret.length < 8 ? 'Use at least 8 characters.' : null);

describe('a new secret', () => {
  it('that is refused is asked for again at once, with the reason, and not first repeated', async () => {
    const { streams, shown } = terminal(['short', 'long enough', 'long enough']);
    expect(await askNewSecret('Password', streams, refuseShort)).toBe('long enough');
    expect(shown()).toBe('Password: \nUse at least 8 characters.\nPassword: \nPassword, again: \n');
  });

  it('that differs the second time is asked for again', async () => {
    const { streams, shown } = terminal(['long enough', 'long enuogh', 'long enough', 'long enough']);
    expect(await askNewSecret('Password', streams, refuseShort)).toBe('long enough');
    expect(shown()).toContain('The two entries are not the same.\n');
  });

  it('is not asked for again after Ctrl-C', async () => {
    const { streams } = terminal(['short']);
    await expect(askNewSecret('Password', streams, refuseShort)).rejects.toThrow('Cancelled.');
  });
});
