#!/usr/bin/env -S node --
import 'reflect-metadata';
import { CommanderError } from 'commander';
import { program } from './cli/program.ts';
import { CommandError } from './cli/streams.ts';
import { CannotStart } from './platform/cannot-start.ts';
import { connectionRefusal } from './platform/database/index.ts';
import { BadUserInput, GatehouseError } from './platform/errors.ts';
import { InvalidSettings } from './platform/settings.ts';

/** Milliseconds within which a repeated signal is an echo: under npm, Ctrl-C arrives from the terminal and from npm. */
const ECHO = 1_000;

/** Errors whose message tells a person what to do. */
const ACTIONABLE = [InvalidSettings, CannotStart, CommandError, GatehouseError];

/** The first signal asks for an orderly end, a later one ends the process at once. */
const stopped = new Promise<void>((resolve) => {
  let askedAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (askedAt !== undefined && performance.now() - askedAt > ECHO) process.exit(130);
      askedAt ??= performance.now();
      resolve();
    });
  }
});

try {
  await program({
    environment: process.env,
    workingFolder: process.cwd(),
    streams: { input: process.stdin, output: process.stdout, errors: process.stderr },
    stopped,
  }).parseAsync(process.argv);
  process.exit(0);
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode);
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
}

/** What a person can act on is told in a sentence; anything else is a fault and keeps its stack. */
function explain(error: unknown): string {
  if (error instanceof BadUserInput) return error.fields.map(({ message }) => message).join('\n');
  if (ACTIONABLE.some((kind) => error instanceof kind)) return (error as Error).message;
  const refusal = connectionRefusal(error);
  if (refusal !== undefined) return `DATABASE_URL, or the embedded PostgreSQL without it: ${refusal}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
