import { createInterface } from 'node:readline/promises';
import { CommandError, type Streams } from './streams.ts';

/**
 * Asks a person before an act that cannot be undone. Only `yes` confirms it.
 * @param loss a sentence that names the loss
 * @throws {CommandError} there is no terminal, or the answer is not yes
 */
export async function confirm(loss: string, { input, output }: Streams): Promise<void> {
  if (!input.isTTY)
    throw new CommandError(`${loss} There is no terminal for the question. Add --yes to confirm.`);
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
