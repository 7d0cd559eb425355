import { accessSync, constants, type Stats, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AUDIT_CHECKS } from './audit/checks.ts';
import { DATABASE_CHECKS } from './database/checks/index.ts';
import { hasTable } from './database/migrations.ts';
import type { DATABASE_SETTINGS } from './database/settings.ts';
import { type Check, fail, failIn, ok, type Result, warn } from './doctor/check.ts';
import { SECRETS_FILE } from './generated-secrets.ts';
import { compareKeys } from './key-check/key-check.ts';
import type { Key } from './keyring.ts';
import { isNullDevice, probeStandardError } from './log-sink.ts';
import { MAIL_CHECKS } from './mail/checks.ts';
import { REDIS_CHECKS } from './redis/checks.ts';
import type { SECRET_SETTINGS } from './secret-settings.ts';
import type { SERVER_SETTINGS } from './server-settings.ts';
import type { ConfigOf } from './setting-declaration.ts';
import { TELEMETRY_CHECKS } from './telemetry/checks.ts';

type Config = ConfigOf<typeof SERVER_SETTINGS | typeof DATABASE_SETTINGS | typeof SECRET_SETTINGS>;
type PlatformCheck = Check<Config>;

const NEW_KEY =
  'Make a key with "openssl rand -base64 32", and put it first in the list, so that the old one still reads.';

const keyStrength: PlatformCheck = {
  name: 'keys.strength',
  run({ keys }) {
    if (!keys) return null;
    const results: Result[] = [];
    const settingsOf = new Map<string, Set<string>>();
    for (const [setting, keyring] of Object.entries(keys)) {
      for (const { id } of keyring) settingsOf.set(id, (settingsOf.get(id) ?? new Set()).add(setting));
      if (keyring.some(isText))
        results.push(
          warn(
            `${setting} has a key that is readable text, which is easier to guess than 32 random bytes.`,
            NEW_KEY,
          ),
        );
    }
    for (const settings of settingsOf.values())
      if (settings.size > 1)
        results.push(
          warn(
            `${[...settings].join(' and ')} share a key, so an attacker who learns one of them has the other too.`,
            NEW_KEY,
          ),
        );
    return results.length > 0 ? results : ok('The keys are random, and none is shared.');
  },
};

/** Whether each byte is a printable ASCII character. That is true of one in 2^46 random keys. */
const isText = ({ secret }: Key): boolean => secret.export().every((byte) => byte >= 0x20 && byte <= 0x7e);

const keyFit: PlatformCheck = {
  name: 'keys.database',
  after: 'database.migrations',
  async run({ keys, fork }) {
    if (!keys || !(await hasTable(fork(), 'key_check'))) return null;
    const { wrong } = await compareKeys(fork(), keys);
    return wrong.length === 0
      ? ok('The keys fit the database.')
      : fail(
          `${wrong.join(' and ')} hold${wrong.length === 1 ? 's' : ''} none of the keys that this database was written with.`,
          'Set the keys that belong to this database, or let DATABASE_URL name the database of these keys.',
        );
  },
};

/** Bytes below which a disk counts as full. */
const LITTLE_ROOM = 100 * 1024 * 1024;
/** Permissions of the group and of others. */
const OTHERS = 0o077;

const dataFolder: PlatformCheck = {
  name: 'data-dir',
  run({ config: { dataDir, database, secrets } }) {
    const isUsed = database.url === undefined || Object.values(secrets).includes(undefined);
    if (!isUsed) return null;
    const folder = statOf(dataDir);
    if (!folder)
      return isWritable(dirname(dataDir))
        ? ok(`DATA_DIR ${dataDir} does not exist yet. The first start makes it, with keys and a database.`)
        : fail(
            `DATA_DIR ${dataDir} does not exist, and its parent folder cannot be written.`,
            'Set DATA_DIR to a folder that this user may write.',
          );
    if (!folder.isDirectory())
      return fail(`DATA_DIR ${dataDir} is not a folder.`, 'Set DATA_DIR to a folder.');
    if (!isWritable(dataDir))
      return fail(`DATA_DIR ${dataDir} cannot be written.`, 'Give it to the user that runs the gateway.');
    const results: Result[] = [];
    const file = join(dataDir, SECRETS_FILE);
    if (((statOf(file)?.mode ?? 0) & OTHERS) !== 0)
      results.push(
        fail(`Other users of this machine may read the keys in ${file}.`, `Run: chmod 600 ${file}`),
      );
    const { bavail, bsize } = statfsSync(dataDir);
    if (bavail * bsize < LITTLE_ROOM)
      results.push(warn(`The disk of DATA_DIR ${dataDir} has less than 100 MB left.`, 'Make room on it.'));
    return results.length > 0
      ? results
      : ok(`DATA_DIR ${dataDir} can be written, and others cannot read its keys.`);
  },
};

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const STARTED_ALIKE = 'Run the doctor with the same standard error as the gateway.';

const log: PlatformCheck = {
  name: 'log',
  async run({ config }) {
    if (isNullDevice())
      return config.production
        ? warn(
            'Standard error is closed or leads to /dev/null, so a gateway that is started like this has no log.',
            `Lead standard error to a file or a collector. ${STARTED_ALIKE}`,
          )
        : null;
    const reason = await probeStandardError();
    return reason === undefined
      ? ok('The log can be written to standard error.')
      : failIn(config.production)(
          `The log cannot be written to standard error: ${reason}.`,
          `Make room on the disk, or let the reader of the log read. ${STARTED_ALIKE}`,
        );
  },
};

/** What the platform lets `gatehouse doctor` look at. */
export const PLATFORM_CHECKS = [
  keyStrength,
  dataFolder,
  log,
  ...DATABASE_CHECKS,
  keyFit,
  ...REDIS_CHECKS,
  ...MAIL_CHECKS,
  ...AUDIT_CHECKS,
  ...TELEMETRY_CHECKS,
] as const;
