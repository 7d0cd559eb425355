import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from './id.ts';
import type { Keyring } from './keyring.ts';
import { keyring } from './setting-parsers.ts';
import { InvalidSettings } from './settings.ts';

/** Secrets that a development machine generates for itself. */
export interface GeneratedSecrets {
  readonly tokenKeys: Keyring;
  readonly encryptionKeys: Keyring;
  readonly passwordPeppers: Keyring;
  /** Passwords of the three logins of the embedded PostgreSQL. */
  readonly database: { readonly superuser: string; readonly owner: string; readonly serving: string };
}

/** Name of the file in DATA_DIR. */
export const SECRETS_FILE = 'secrets.json';

interface SecretsFile {
  TOKEN_KEY: string;
  ENCRYPTION_KEY: string;
  PASSWORD_PEPPER: string;
  database: { superuser: string; owner: string; serving: string };
}

/**
 * Reads `secrets.json` of the data folder; the first start makes it (mode 0600). Of two concurrent first starts, one
 * makes it and the other reads it.
 * @throws {InvalidSettings} naming DATA_DIR when the folder cannot be used or the file is damaged.
 */
export async function generatedSecrets(dataDir: string): Promise<GeneratedSecrets> {
  const file = join(dataDir, SECRETS_FILE);
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const text = (await readIfPresent(file)) ?? (await make(dataDir, file));
    return parse(text);
  } catch (error) {
    if (error instanceof InvalidSettings) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new InvalidSettings([`DATA_DIR ${dataDir} cannot be used (${code})`]);
  }
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function make(dataDir: string, file: string): Promise<string> {
  const secret = () => randomBytes(32).toString('base64');
  const word = () => randomBytes(24).toString('base64url');
  const secrets: SecretsFile = {
    TOKEN_KEY: secret(),
    ENCRYPTION_KEY: secret(),
    PASSWORD_PEPPER: secret(),
    database: { superuser: word(), owner: word(), serving: word() },
  };
  const temporary = join(dataDir, `.${SECRETS_FILE}.${newId()}`);
  await writeFile(temporary, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  await chmod(temporary, 0o600);
  try {
    // Unlike a rename, a link never replaces a file that another process has made meanwhile.
    await link(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(temporary);
  }
  return readFile(file, 'utf8');
}

function parse(text: string): GeneratedSecrets {
  try {
    const { TOKEN_KEY, ENCRYPTION_KEY, PASSWORD_PEPPER, database } = JSON.parse(text) as SecretsFile;
    return {
      tokenKeys: keyring(TOKEN_KEY),
      encryptionKeys: keyring(ENCRYPTION_KEY),
      passwordPeppers: keyring(PASSWORD_PEPPER),
      database: { superuser: database.superuser, owner: database.owner, serving: database.serving },
    };
  } catch {
    throw new InvalidSettings([`DATA_DIR holds a ${SECRETS_FILE} that is damaged: restore it from a backup`]);
  }
}
