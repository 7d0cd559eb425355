import { CsvError, type Parser, parse } from 'csv-parse';
import type { InputRecord } from '../composition/index.ts';
import { isUtf8, NOT_UTF8 } from './utf8.ts';

export interface CsvOptions {
  readonly delimiter: string;
  /** Maximum number of characters of one account. */
  readonly longest: number;
  /** The columns that are allowed. */
  readonly known: ReadonlySet<string>;
}

interface Row {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

/**
 * Reads CSV (RFC 4180) with the names of columns in its first line. An empty cell counts as absent. It ends at the
 * first account that is not CSV or is too long, because the text after it cannot be split into accounts.
 */
export async function* csvRecords(
  chunks: AsyncIterable<Buffer>,
  { delimiter, longest, known }: CsvOptions,
): AsyncGenerator<InputRecord> {
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
    max_record_size: longest,
  });
  let columns: readonly string[] | null = null;
  try {
    for await (const { record, info } of rowsOf(chunks, parser)) {
      const { lines: number } = info;
      if (columns === null) {
        columns = record;
        const problem = problemOfHeader(record, known);
        if (problem === null) continue;
        yield { number, problem };
        return;
      }
      if (!record.every(isUtf8)) yield { number, problem: NOT_UTF8 };
      else if (record.length === columns.length) yield { number, record: valuesOf(columns, record) };
      else
        yield {
          number,
          problem: `must have ${columns.length} columns, like the first line. It has ${record.length}.`,
        };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // The message of the library contains values.
    const number = Number((error as unknown as { lines?: number }).lines ?? 1);
    const problem =
      error.code === 'CSV_MAX_RECORD_SIZE' ? 'is too long.' : 'is not CSV: look for a missing or extra ".';
    yield { number, problem: `${problem} The rest of the file was not read.` };
  }
}

/**
 * Yields the rows before an error, and then throws it. A pipeline that ends in the parser would drop the rows that
 * are parsed but not read yet. Then the report would depend on how long each row takes.
 */
async function* rowsOf(chunks: AsyncIterable<Buffer>, parser: Parser): AsyncGenerator<Row> {
  const parsed = function* (): Generator<Row> {
    for (let row = parser.read(); row !== null; row = parser.read()) yield row as Row;
    if (parser.errored) throw parser.errored;
  };
  // Thrown above.
  parser.on('error', () => undefined);
  for await (const chunk of chunks) {
    parser.write(chunk);
    yield* parsed();
  }
  await new Promise<void>((resolve) => parser.end(() => resolve()));
  yield* parsed();
}

/** The problem of a header. Without a header the first line is an account, whose values must not be shown. */
function problemOfHeader(header: readonly string[], known: ReadonlySet<string>): string | null {
  const list = `The columns are ${[...known].join(', ')}.`;
  if (!header.some((name) => known.has(name)))
    return `is neither JSON nor the header of a CSV file, which names the columns. ${list}`;
  const unknown = header
    .filter((name) => !known.has(name))
    .map((name) => (isName(name) ? name : 'a column without a usual name'));
  if (unknown.length > 0) return `has unknown columns (${unknown.join(', ')}). ${list}`;
  return new Set(header).size < header.length ? 'names a column twice.' : null;
}

/** Whether a column name can be shown: it is short and looks like the name of a field. */
const isName = (text: string): boolean => /^[A-Za-z_][\w -]{0,31}$/.test(text);

/** Converts cells to the types of the fields. A cell that does not fit stays a text, which the import refuses. */
function valuesOf(columns: readonly string[], cells: readonly string[]): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [index, column] of columns.entries()) {
    const cell = cells[index] ?? '';
    if (cell === '') continue;
    if (column === 'roles') record[column] = cell.split(/[\s,;|]+/).filter((name) => name !== '');
    else if (column === 'emailConfirmed')
      record[column] = { true: true, false: false }[cell.toLowerCase()] ?? cell;
    else record[column] = cell;
  }
  return record;
}
