import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exportUsers, type ImportReport } from '../composition/index.ts';
import type { Config } from '../config/index.ts';
import { CommandError, type Streams } from './streams.ts';
import { readRecords } from './user-files.ts';
import { withGateway } from './with-gateway.ts';

/** Milliseconds between two progress lines when the output is not a terminal. */
const PROGRESS_INTERVAL = 5_000;

export interface ImportUsersOptions {
  readonly withSuperusers?: boolean;
  readonly dryRun?: boolean;
}

/**
 * Imports a file of JSON Lines, a JSON array or CSV; `-` is standard input. Progress and problems go to the error
 * stream, the report to the output. When it is interrupted, it completes the current batch. A repeated import continues
 * after that batch.
 * @throws {CommandError} at the end, when accounts were refused.
 */
export async function importUsers(
  config: Config,
  streams: Streams,
  { file, workingFolder, stopped }: { file: string; workingFolder: string; stopped: Promise<void> },
  { withSuperusers = false, dryRun = false }: ImportUsersOptions,
): Promise<void> {
  const { input, bytes } = await open(file, workingFolder, streams);
  let interrupted = false;
  void stopped.then(() => {
    interrupted = true;
  });
  const report = await withGateway(config, async ({ userImport, fork }) => {
    // Its clock starts after the connection, because connecting is not part of the import.
    const progress = new Progress(streams.errors, bytes, { dryRun });
    const done = await userImport.run(
      fork,
      readRecords(input, (count) => progress.read(count)),
      {
        withSuperusers,
        dryRun,
        onRefused: (line, reason) => progress.interject(`line ${line}: ${reason}`),
        onProgress: (current) => {
          progress.show(current);
          return !interrupted;
        },
      },
    );
    progress.finish(done);
    return done;
  });
  streams.output.write(
    `${dryRun ? 'Would import' : 'Imported'} ${count(report.imported, 'account')}; ${count(report.present, 'account')} there already; ` +
      `${count(report.refused, 'line')} refused.${dryRun ? ' Nothing was changed.' : ''}\n`,
  );
  if (interrupted)
    throw new CommandError(`Stopped after line ${report.lines}. Run it again to go on from there.`);
  if (report.refused > 0)
    throw new CommandError(`${count(report.refused, 'line')} refused, as listed above.`);
}

export interface ExportUsersOptions {
  readonly withPasswordHashes?: boolean;
}

/** Writes every account to the output as JSON Lines. */
export async function exportAllUsers(
  config: Config,
  { output, errors }: Streams,
  { withPasswordHashes = false }: ExportUsersOptions,
): Promise<void> {
  await withGateway(config, async ({ fork }) => {
    let total = 0;
    for await (const records of exportUsers(fork, { withPasswordHashes })) {
      total += records.length;
      const text = records.map((record) => `${JSON.stringify(record)}\n`).join('');
      if (!output.write(text)) await once(output, 'drain');
    }
    errors.write(`Exported ${count(total, 'account')}.\n`);
  });
}

async function open(
  file: string,
  workingFolder: string,
  { input }: Streams,
): Promise<{ input: AsyncIterable<Buffer>; bytes: number | null }> {
  if (file === '-') return { input, bytes: null };
  const path = resolve(workingFolder, file);
  try {
    const { size } = await stat(path);
    const stream = createReadStream(path);
    await once(stream, 'open');
    return { input: stream, bytes: size };
  } catch (error) {
    throw new CommandError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

/** Shows progress: on a terminal one line that changes, elsewhere a line from time to time. */
class Progress {
  private readonly startedAt = performance.now();
  private shownAt = performance.now();
  private bytesRead = 0;

  constructor(
    private readonly out: Streams['errors'],
    private readonly bytes: number | null,
    private readonly options: { readonly dryRun: boolean },
  ) {}

  read(bytes: number): void {
    this.bytesRead += bytes;
  }

  show(report: Readonly<ImportReport>): void {
    if (this.out.isTTY) {
      this.out.write(`\r\x1b[2K${this.line(report)}`);
      return;
    }
    if (performance.now() - this.shownAt < PROGRESS_INTERVAL) return;
    this.shownAt = performance.now();
    this.out.write(`${this.line(report)}\n`);
  }

  /** Prints a line between the progress lines. */
  interject(text: string): void {
    this.out.write(this.out.isTTY ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }

  finish(report: Readonly<ImportReport>): void {
    this.interject(this.line(report));
  }

  private line({ lines, imported, present, refused }: Readonly<ImportReport>): string {
    const share = this.bytes ? `${Math.floor((100 * this.bytesRead) / this.bytes)} %, ` : '';
    const seconds = ((performance.now() - this.startedAt) / 1000).toFixed(1);
    return `${share}${lines} lines read in ${seconds} s: ${imported} ${this.options.dryRun ? 'to import' : 'imported'}, ${present} present, ${refused} refused`;
  }
}

const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;
