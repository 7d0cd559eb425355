import {
  DeactivatedBy,
  parseDisplayName,
  parseEmailAddress,
  parseUsername,
  type Username,
} from '../accounts/index.ts';
import { isId } from '../platform/id.ts';
import { InvalidValue } from '../platform/input.ts';

/** An account as a line of an export and of an import: JSON Lines, one object for each account. */
export interface UserRecord {
  /** Kept where it is given: other systems may refer to it. */
  id?: string;
  username: string;
  email?: string | null;
  emailConfirmed?: boolean;
  displayName?: string | null;
  /** bcrypt in crypt(3) form, or an Argon2id PHC string. */
  passwordHash?: string | null;
  /** Which PASSWORD_PEPPER keyed the password first; only this gateway writes such hashes. */
  passwordPepper?: string | null;
  /** Names. */
  roles?: readonly string[];
  deactivatedBy?: DeactivatedBy | null;
  /** RFC 3339. */
  createdAt?: string;
}

/** A record whose every field was judged. */
export interface ParsedRecord {
  id: string | undefined;
  username: Username;
  email: { email: string; key: string } | null;
  emailConfirmed: boolean;
  displayName: string | null;
  password: { hash: string; pepperId: string | null } | null;
  roles: readonly string[];
  deactivatedBy: DeactivatedBy | null;
  createdAt: Date | undefined;
}

/** What is wrong with a line. It never holds a value of the line, which may be a hash. */
export class BadLine extends Error {}

/** Reads one field; `null` and absent are one. @throws {InvalidValue} */
type FieldReader<T> = (value: unknown) => T;

const optional =
  <T>(read: FieldReader<T>): FieldReader<T | null> =>
  (value) =>
    value == null ? null : read(value);

const text: FieldReader<string> = (value) => {
  if (typeof value !== 'string') throw new InvalidValue('must be a text.');
  return value;
};
const flag: FieldReader<boolean> = (value) => {
  if (typeof value !== 'boolean') throw new InvalidValue('must be true or false.');
  return value;
};
const texts: FieldReader<string[]> = (value) => {
  if (!Array.isArray(value)) throw new InvalidValue('must be a list of texts.');
  return [...new Set(value.map(text))];
};
const time: FieldReader<Date> = (value) => {
  const date = new Date(text(value));
  if (!/^\d{4}-\d\d-\d\dT/.test(text(value)) || Number.isNaN(date.getTime())) {
    throw new InvalidValue('must be a time, such as 2020-01-31T12:00:00Z.');
  }
  return date;
};
const id: FieldReader<string> = (value) => {
  if (!isId(text(value))) throw new InvalidValue('must be a UUID in lower case.');
  return text(value);
};
const deactivatedBy: FieldReader<DeactivatedBy> = (value) => {
  const found = Object.values(DeactivatedBy).find((choice) => choice === value);
  if (!found) throw new InvalidValue('must be OWNER or ADMIN.');
  return found;
};

const FIELDS: ReadonlySet<string> = new Set<keyof UserRecord>([
  'id',
  'username',
  'email',
  'emailConfirmed',
  'displayName',
  'passwordHash',
  'passwordPepper',
  'roles',
  'deactivatedBy',
  'createdAt',
]);

/**
 * @param parsePassword judges a hash and its pepper
 * @throws {BadLine} naming the first field that is wrong.
 */
export function parseRecord(
  line: string,
  parsePassword: (hash: string, pepperId: string | null) => { hash: string; pepperId: string | null },
): ParsedRecord {
  const record = parseObject(line);
  const read = <T>(name: keyof UserRecord, reader: FieldReader<T>): T => {
    try {
      return reader(record[name]);
    } catch (error) {
      if (error instanceof InvalidValue) throw new BadLine(`${name}: ${error.message}`);
      throw error;
    }
  };
  const pepperId = read('passwordPepper', optional(text));
  return {
    id: read('id', optional(id)) ?? undefined,
    username: read('username', (value) => parseUsername(text(value), { reserved: true })),
    email: read(
      'email',
      optional((value) => parseEmailAddress(text(value))),
    ),
    emailConfirmed: read('emailConfirmed', optional(flag)) ?? false,
    displayName: read(
      'displayName',
      optional((value) => parseDisplayName(text(value))),
    ),
    password: read(
      'passwordHash',
      optional((value) => parsePassword(text(value), pepperId)),
    ),
    roles: read('roles', optional(texts)) ?? [],
    deactivatedBy: read('deactivatedBy', optional(deactivatedBy)),
    createdAt: read('createdAt', optional(time)) ?? undefined,
  };
}

function parseObject(line: string): Record<string, unknown> {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw new BadLine('is not JSON.');
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new BadLine('is not a JSON object.');
  }
  // A misspelt name would silently leave out what it stands for: a password, for example.
  const unknown = Object.keys(record).filter((name) => !FIELDS.has(name)).length;
  if (unknown > 0)
    throw new BadLine(`has ${unknown} field(s) that are not known: there are ${[...FIELDS].join(', ')}.`);
  return record as Record<string, unknown>;
}
