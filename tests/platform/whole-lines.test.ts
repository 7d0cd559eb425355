import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { WholeLines } from '../../src/platform/whole-lines.ts';

/** Writes texts. @returns the writes that reach the pipe. */
async function writesOf(texts: readonly string[]): Promise<string[]> {
  const writes: string[] = [];
  const pipe = new Writable({
    write(chunk, _encoding, done) {
      writes.push(String(chunk));
      setImmediate(done);
    },
    // Like a socket of Node, joins all waiting chunks into one write.
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      setImmediate(done);
    },
  });
  const lines = new WholeLines(pipe);
  await Promise.all(texts.map((text) => new Promise((resolve) => lines.write(text, resolve))));
  return writes;
}

describe('lines to a shared pipe', () => {
  const line = (length: number) => `${'x'.repeat(length - 1)}\n`;

  it('are written in pieces of whole lines that the pipe takes at once', async () => {
    const text = line(1_500).repeat(6);
    const writes = await writesOf([text, line(10)]);
    expect(writes.map(({ length }) => length)).toEqual([3_000, 3_000, 3_000, 10]);
    expect(writes.every((piece) => piece.endsWith('\n'))).toBe(true);
  });

  it('are written alone when they are longer', async () => {
    const writes = await writesOf([line(100) + line(5_000) + line(100)]);
    expect(writes.map(({ length }) => length)).toEqual([100, 5_000, 100]);
  });

  it('report the failure of the pipe to their writer', async () => {
    const pipe = new Writable({ write: (_chunk, _encoding, done) => done(new Error('no reader')) });
    const failure = await new Promise((resolve) => new WholeLines(pipe).write('x\n', resolve));
    expect(failure).toMatchObject({ message: 'no reader' });
  });
});
