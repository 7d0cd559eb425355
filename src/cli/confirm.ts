import { createInterface } from 'node:readline/promises';
import { CommandError, type Streams } from './streams.ts';

/**
 * Asks a person before something that cannot be undone; only `yes` goes on.
 * @param loss a sentence that says what is lost
 * @throws {CommandError} without a terminal, or when the answer is another one
 */
export async function confirm(loss: string, { input, output }: Streams): Promise<void> {
  if (!input.isTTY)
    throw new CommandError(`${loss} There is no terminal to ask on: add --yes if you mean it.`);
  const terminal = createInterface({ input, output });
  const cancelled = new AbortController();
  terminal.on('SIGINT', () => cancelled.abort());
  terminal.on('close', () => cancelled.abort());
  try {
    const answer = await terminal.question(`${loss} Type yes to go on: `, { signal: cancelled.signal });
    if (answer.trim().toLowerCase() !== 'yes') throw new CommandError('Nothing was changed.');
  } catch (error) {
    throw error instanceof CommandError ? error : new CommandError('Cancelled. Nothing was changed.');
  } finally {
    terminal.close();
  }
}
