import { describe, expect, it } from '@jest/globals';
import { type LineWriter, LogSink } from '../../src/platform/log-sink.ts';

/** A reader of the log that is slow or gone, as the test asks. */
class Reader implements LineWriter {
  text = '';
  failure: Error | undefined;
  private waiting: Array<{ text: string; written: (error?: Error) => void }> = [];

  get writableLength(): number {
    return this.waiting.reduce((bytes, { text }) => bytes + text.length, 0);
  }

  write(text: string, written: (error?: Error) => void): void {
    this.waiting.push({ text, written });
  }

  read(): void {
    for (const { text, written } of this.waiting.splice(0)) {
      if (!this.failure) this.text += text;
      written(this.failure);
    }
  }
}

describe('the sink of the log', () => {
  it('drops lines beyond its bound, and writes their number when the log is read again', () => {
    const reader = new Reader();
    const sink = new LogSink(reader, 10);
    for (const line of ['aaaa\n', 'bbbb\n', 'cccc\n', 'dddd\n']) sink.write(line);
    reader.read();
    sink.write('eeee\n');
    reader.read();
    const [first, second, dropped, last] = reader.text.split('\n');
    expect([first, second, last]).toEqual(['aaaa', 'bbbb', 'eeee']);
    expect(JSON.parse(dropped ?? '')).toMatchObject({ level: 'warn', dropped: 2 });
  });

  it('counts the lines that could not be written, including earlier reports', () => {
    const reader = new Reader();
    const sink = new LogSink(reader);
    reader.failure = new Error('no space left on device');
    for (const line of ['aaaa\n', 'bbbb\n']) {
      sink.write(line);
      reader.read();
    }
    reader.failure = undefined;
    sink.write('cccc\n');
    reader.read();
    expect(JSON.parse(reader.text.split('\n')[0] ?? '')).toMatchObject({ dropped: 2 });
  });

  it('waits for a slow reader at its end, for a limited time', async () => {
    const reader = new Reader();
    const sink = new LogSink(reader);
    sink.write('aaaa\n');
    const drained = sink.drained(60_000);
    reader.read();
    await drained;
    expect(reader.text).toBe('aaaa\n');
    await sink.drained(10);
  });
});
