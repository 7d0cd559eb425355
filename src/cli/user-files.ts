import type { InputRecord } from '../composition/index.ts';
import { USER_FIELDS } from '../composition/index.ts';
import { type InputLine, readLines } from './lines.ts';
import { type CsvOptions, csvRecords } from './user-csv.ts';
import { isUtf8, NOT_UTF8 } from './utf8.ts';

/** Maximum number of characters of one account, and of bytes of one line. An account has a few hundred. */
export const LONGEST_RECORD = 65_536;

/**
 * Reads the accounts of a file in one of three formats: a JSON array, JSON objects, or CSV whose first line names the
 * columns. A JSON object has one line or several. The first line tells the format.
 * @param onBytes called with the number of bytes of each chunk
 */
export async function* readRecords(
  input: AsyncIterable<Buffer>,
  onBytes: (count: number) => void,
): AsyncGenerator<InputRecord> {
  const chunks = input[Symbol.asyncIterator]();
  const held: Buffer[] = [];
  let size = 0;
  let first = '';
  // A for loop over the chunks would close the input at its end.
  while (!first.startsWith('[') && !first.includes('\n') && size <= LONGEST_RECORD) {
    const { value, done } = await chunks.next();
    if (done) break;
    held.push(value);
    size += value.length;
    first = textOf(Buffer.concat(held)).trimStart();
  }
  const all = continued(held, chunks, onBytes);
  const [line = ''] = first.split('\n', 1);
  if (first.startsWith('[') || line.trim() === '{') yield* jsonValues(decoded(all));
  else if (first === '' || first.startsWith('{')) yield* jsonLines(readLines(all, LONGEST_RECORD));
  else yield* csvRecords(all, csvOptions(line));
}

/** Decodes text without a byte order mark, which some editors write. */
const textOf = (bytes: Buffer): string => bytes.toString('utf8').replace(/^\uFEFF/, '');

async function* continued(
  held: readonly Buffer[],
  rest: AsyncIterator<Buffer>,
  onBytes: (count: number) => void,
): AsyncGenerator<Buffer> {
  for (const chunk of held) {
    onBytes(chunk.length);
    yield chunk;
  }
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    onBytes(next.value.length);
    yield next.value;
  }
}

async function* decoded(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of chunks) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

/** Reads a JSON object from each line. A line that is not JSON does not affect the others. */
async function* jsonLines(lines: AsyncIterable<InputLine>): AsyncGenerator<InputRecord> {
  for await (const { number, text } of lines) {
    if (text === null) yield { number, problem: 'is too long.' };
    else if (text.trim() !== '') yield parsed(number, text);
  }
}

/** Reads the values of an array, or values one after the other, each with its first line number. */
async function* jsonValues(text: AsyncIterable<string>): AsyncGenerator<InputRecord> {
  let value = '';
  let line = 1;
  let begun = 0;
  let depth = 0;
  let inText = false;
  let escaped = false;
  let array: 'unknown' | 'open' | 'none' | 'closed' = 'unknown';
  const take = (): InputRecord => {
    const record = value.length > LONGEST_RECORD ? tooLong(begun) : parsed(begun, value);
    value = '';
    return record;
  };
  for await (const part of text) {
    for (const character of part) {
      if (character === '\n') line += 1;
      const isBlank = !inText && /\s/.test(character);
      if (value === '' && isBlank) continue;
      if (array === 'unknown') {
        array = character === '[' ? 'open' : 'none';
        if (array === 'open') continue;
      }
      if (array === 'closed') {
        yield { number: line, problem: 'comes after the end of the array.' };
        return;
      }
      if (!inText && depth === 0 && (character === ',' || (character === ']' && array === 'open'))) {
        if (value !== '') yield take();
        if (character === ']') array = 'closed';
        continue;
      }
      if (value === '') begun = line;
      if (value.length <= LONGEST_RECORD) value += character;
      if (inText) {
        if (escaped) escaped = false;
        else if (character === '\\') escaped = true;
        else if (character === '"') inText = false;
      } else if (character === '"') inText = true;
      else if (character === '{' || character === '[') depth += 1;
      else if (character === '}' || character === ']') {
        depth -= 1;
        if (depth === 0) yield take();
        else if (depth < 0) {
          yield { number: line, problem: 'is not JSON. The rest of the file was not read.' };
          return;
        }
      }
    }
  }
  if (value.trim() !== '') yield take();
  else if (array === 'open')
    yield { number: line, problem: 'is the last line, but the array does not end: a ] is missing.' };
}

const tooLong = (number: number): InputRecord => ({ number, problem: 'is too long.' });

function parsed(number: number, text: string): InputRecord {
  if (!isUtf8(text)) return { number, problem: NOT_UTF8 };
  try {
    const record: unknown = JSON.parse(text);
    if (typeof record !== 'object' || record === null || Array.isArray(record))
      return { number, problem: 'is not a JSON object.' };
    return { number, record: record as Record<string, unknown> };
  } catch {
    return { number, problem: 'is not JSON.' };
  }
}

/** Spreadsheets separate cells by semicolons in countries that write decimals with a comma. */
const csvOptions = (header: string): CsvOptions => ({
  delimiter: [',', ';', '\t'].find((candidate) => header.includes(candidate)) ?? ',',
  longest: LONGEST_RECORD,
  known: USER_FIELDS,
});
