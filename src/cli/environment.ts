import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { type Environment, InvalidSettings } from '../platform/settings.ts';

/**
 * Settings of files stand beneath those of the environment: `--env-file` where it is given, otherwise `.env` of the
 * working folder, in development only.
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
 * Says that production does not read the `.env` that lies there. Silent where the environment has all of its names: what
 * runs the gateway, such as systemd, has read it then.
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

/** None where the file is absent, or is not for this process to read. */
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
    throw new InvalidSettings([`the file of settings ${file} cannot be read (${code})`]);
  }
}
