/** A line of a file. Its text is null when it was too long to read. */
export interface InputLine {
  readonly number: number;
  readonly text: string | null;
}

const NEWLINE = 0x0a;

/**
 * Reads the lines of a stream with their numbers. A line with more bytes than `longest` is skipped and not kept in
 * memory.
 */
export async function* readLines(input: AsyncIterable<Buffer>, longest: number): AsyncGenerator<InputLine> {
  let number = 0;
  let held: Buffer[] = [];
  let size = 0;
  const finish = (): InputLine => {
    number += 1;
    const text = size > longest ? null : Buffer.concat(held).toString('utf8');
    held = [];
    size = 0;
    // A byte order mark, which some editors write, does not belong to the first line.
    return { number, text: number === 1 && text !== null ? text.replace(/^\uFEFF/, '') : text };
  };
  for await (const chunk of input) {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      size += part.length;
      if (size <= longest) held.push(part);
      if (end === -1) break;
      yield finish();
      start = end + 1;
    }
  }
  if (size > 0) yield finish();
}
