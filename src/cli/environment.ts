import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { type Environment, InvalidSettings } from '../platform/settings.ts';

/**
 * Adds the settings of a file to those of the environment, which take precedence. The file is `--env-file`, or else
 * `.env` in the working folder, which is read only in development.
 */
export function environmentWithFiles(
  environment: Environment,
  workingFolder: string,
  envFile: string | undefined,
): Environment {
  if (envFile !== undefined)
    return { ...readEnvFile(resolve(workingFolder, envFile), { needed: true }), ...environment };
  if (environment.NODE_ENV === 'production') return environment;
  return { ...readEnvFile(resolve(workingFolder, '.env'), { needed: false }), ...environment };
}

/**
 * Warns that production does not read an existing `.env`. No warning when the environment has all names of the file:
 * then a supervisor, such as systemd, has read it.
 */
export function unreadEnvFile(
  environment: Environment,
  workingFolder: string,
  envFile: string | undefined,
): string[] {
  if (envFile !== undefined || environment.NODE_ENV !== 'production') return [];
  const names = namesIn(resolve(workingFolder, '.env')).filter((name) => environment[name] === undefined);
  if (names.length === 0) return [];
  return [
    'The file .env is not read when NODE_ENV=production: name it with --env-file .env, or set its settings in the environment.',
  ];
}

/** The names of settings in a file. Empty when the file is absent or not readable. */
function namesIn(file: string): string[] {
  try {
    return Object.keys(parseEnv(readFileSync(file, 'utf8')));
  } catch {
    return [];
  }
}

function readEnvFile(file: string, { needed }: { needed: boolean }): Environment {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !needed) return {};
    throw new InvalidSettings([`the settings file ${file} cannot be read (${code})`]);
  }
}
