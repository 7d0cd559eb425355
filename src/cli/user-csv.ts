import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import type { InputRecord } from '../composition/index.ts';

export interface CsvOptions {
  readonly delimiter: string;
  /** Characters of one account. */
  readonly longest: number;
  /** Columns that there may be. */
  readonly known: ReadonlySet<string>;
}

interface Row {
  readonly record: string[];
  readonly info: { readonly lines: number };
}

/**
 * CSV (RFC 4180), whose first line names the columns. An empty cell counts as absent. Ends with the first line that is not CSV: what
 * follows it cannot be told apart.
 */
export async function* csvRecords(
  lines: AsyncIterable<{ readonly text: string | null }>,
  { delimiter, longest, known }: CsvOptions,
): AsyncGenerator<InputRecord> {
  const parser = Readable.from(withEnds(lines)).pipe(
    parse({
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
      max_record_size: longest,
    }),
  );
  let columns: readonly string[] | null = null;
  try {
    for await (const { record, info } of parser as AsyncIterable<Row>) {
      const { lines: number } = info;
      if (columns === null) {
        columns = record;
        const problem = problemOfHeader(record, known);
        if (problem === null) continue;
        yield { number, problem };
        return;
      }
      if (record.length === columns.length) yield { number, record: valuesOf(columns, record) };
      else yield { number, problem: `has ${record.length} columns, the first line ${columns.length}.` };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // The message of the library holds values.
    const number = Number((error as unknown as { lines?: number }).lines ?? 1);
    const problem =
      error.code === 'CSV_MAX_RECORD_SIZE'
        ? 'is too long.'
        : 'is not CSV: look for a " that is missing or too many.';
    yield { number, problem: `${problem} What follows was not read.` };
  }
}

async function* withEnds(lines: AsyncIterable<{ readonly text: string | null }>): AsyncGenerator<string> {
  for await (const { text } of lines) yield `${(text ?? '').replace(/\r$/, '')}\n`;
}

/** Without a header the first line is an account, whose values must not be repeated. */
function problemOfHeader(header: readonly string[], known: ReadonlySet<string>): string | null {
  const list = `there are ${[...known].join(', ')}.`;
  if (!header.some((name) => known.has(name)))
    return `is neither JSON nor the header of CSV, which names the columns: ${list}`;
  const unknown = header
    .filter((name) => !known.has(name))
    .map((name) => (isName(name) ? name : 'one without a name'));
  if (unknown.length > 0) return `has unknown columns (${unknown.join(', ')}): ${list}`;
  return new Set(header).size < header.length ? 'names a column twice.' : null;
}

/** Whether it can be shown: it is short and looks like the name of a field. */
const isName = (text: string): boolean => /^[A-Za-z_][\w -]{0,31}$/.test(text);

/** Cells as the types that the fields have; what does not fit stays a text, and is refused as one. */
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
