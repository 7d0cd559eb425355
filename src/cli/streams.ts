import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** The streams of a command. main.ts passes those of the process. */
export interface Streams {
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WritableStream;
  /** For progress and problems, because the output may be a pipe. */
  readonly errors: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** The message after a person stopped a command before it did anything. */
export const STOPPED = 'Stopped before it was ready.';

type Terminal = Pick<Streams, 'input' | 'output'>;

/** A command cannot do its work. The message is for the person who typed it. */
export class CommandError extends Error {}

/** Reads one line, such as a password from a pipe. @throws {CommandError} when there is none. */
export async function readLine(input: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) {
    chunks.push(Buffer.from(chunk));
    if (chunks.at(-1)?.includes(0x0a)) break;
  }
  const [line = ''] = Buffer.concat(chunks).toString('utf8').split(/\r?\n/);
  if (line === '') throw new CommandError('Standard input has no password.');
  return line;
}

/**
 * Asks for a secret on a terminal, twice, without showing it. Asks again until the secret is accepted and both entries
 * are the same.
 * @param problemOf returns the reason why a secret cannot be used, as a sentence for people; null when it can
 * @throws {CommandError} no terminal, or cancelled.
 */
export async function askNewSecret(
  name: string,
  { input, output }: Terminal,
  problemOf: (secret: string) => string | null,
): Promise<string> {
  if (!input.isTTY)
    throw new CommandError('There is no terminal to ask for the password. Pipe it in with --password-stdin.');
  for (;;) {
    const secret = await askHidden(`${name}: `, { input, output });
    const problem = problemOf(secret);
    if (problem !== null) output.write(`${problem}\n`);
    else if ((await askHidden(`${name}, again: `, { input, output })) === secret) return secret;
    else output.write('The two entries are not the same.\n');
  }
}

async function askHidden(question: string, { input, output }: Terminal): Promise<string> {
  const hidden = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input, output: hidden, terminal: true });
  const cancelled = new AbortController();
  terminal.on('SIGINT', () => cancelled.abort());
  terminal.on('close', () => cancelled.abort());
  output.write(question);
  try {
    return await terminal.question('', { signal: cancelled.signal });
  } catch {
    throw new CommandError('Cancelled.');
  } finally {
    terminal.close();
    output.write('\n');
  }
}
