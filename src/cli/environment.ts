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

function readEnvFile(file: string, { needed }: { needed: boolean }): Environment {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !needed) return {};
    throw new InvalidSettings([`the file of settings ${file} cannot be read (${code})`]);
  }
}
