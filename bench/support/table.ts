import { cpus } from 'node:os';

/** Prints a Markdown table after the name of the machine, in the form of the README. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const { model } = cpus()[0] ?? { model: 'unknown' };
  const date = new Date().toISOString().slice(0, 10);
  process.stdout.write(`\n${model}, ${cpus().length} cores, Node ${process.version}, ${date}\n\n`);
  for (const row of [head, head.map(() => '-'), ...rows]) process.stdout.write(`| ${row.join(' | ')} |\n`);
}

export const percent = (ratio: number): string => `${(ratio * 100).toFixed(0)} %`;

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
