import { createHash } from 'node:crypto';
import {
  DeactivatedBy,
  type EmailAddress,
  parseDisplayName,
  parseEmailAddress,
  parseUsername,
  type Username,
  usernameFrom,
} from '../accounts/index.ts';
import { isId } from '../platform/id.ts';
import { InvalidValue } from '../platform/input.ts';

/** An account in an export and in an import. */
export interface UserRecord {
  /** Kept when given: other systems may refer to it. */
  id?: string;
  /** Made from the address when absent. */
  username?: string | null;
  email?: string | null;
  emailConfirmed?: boolean;
  displayName?: string | null;
  /** bcrypt, Argon2id, PBKDF2 or scrypt, in the notations of docs/administration.md. */
  passwordHash?: string | null;
  /**
   * The id of the PASSWORD_PEPPER with which the password was keyed before hashing. Only this gateway writes such
   * hashes.
   */
  passwordPepper?: string | null;
  /** Names of roles. */
  roles?: readonly string[];
  deactivatedBy?: DeactivatedBy | null;
  /** RFC 3339. */
  createdAt?: string;
}

/** A record with every field parsed. */
export interface ParsedRecord {
  id: string | undefined;
  username: Username;
  /** Used when the username was made from the address and is taken. Null for a given username. */
  otherUsername: Username | null;
  email: { email: string; key: string } | null;
  emailConfirmed: boolean;
  displayName: string | null;
  password: { hash: string; pepperId: string | null } | null;
  roles: readonly string[];
  deactivatedBy: DeactivatedBy | null;
  createdAt: Date | undefined;
}

/** The problems of an account, each with its field. A message never contains a value, which may be a hash. */
export class BadRecord extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join(' '));
  }
}

/** Reads one field. Null and absent mean the same. @throws {InvalidValue} */
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

/** The fields that a record may have. */
export const USER_FIELDS: ReadonlySet<string> = new Set<keyof UserRecord>([
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
 * Parses a record.
 * @param parsePassword parses a hash and the id of its pepper
 * @throws {BadRecord} naming every wrong field.
 */
export function parseRecord(
  record: Readonly<Record<string, unknown>>,
  parsePassword: (hash: string, pepperId: string | null) => { hash: string; pepperId: string | null },
): ParsedRecord {
  // A misspelt field would otherwise be left out silently: the password, for example.
  const problems = Object.keys(record)
    .filter((name) => !USER_FIELDS.has(name))
    .map(unknownField);
  const read = <T>(name: keyof UserRecord, reader: FieldReader<T>): T | undefined => {
    try {
      return reader(record[name]);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      problems.push(`${name}: ${error.message}`);
      return undefined;
    }
  };
  const email = read(
    'email',
    optional((value) => parseEmailAddress(text(value))),
  );
  const names = read('username', (value) => {
    if (value != null)
      return { username: parseUsername(text(value), { reserved: true }), otherUsername: null };
    if (!email) throw new InvalidValue('is missing, and there is no e-mail address to make it from.');
    return namesFrom(email);
  });
  const pepperId = read('passwordPepper', optional(text)) ?? null;
  const parsed = {
    id: read('id', optional(id)) ?? undefined,
    email: email ?? null,
    emailConfirmed: read('emailConfirmed', optional(flag)) ?? false,
    displayName:
      read(
        'displayName',
        optional((value) => parseDisplayName(text(value))),
      ) ?? null,
    password:
      read(
        'passwordHash',
        optional((value) => parsePassword(text(value), pepperId)),
      ) ?? null,
    roles: read('roles', optional(texts)) ?? [],
    deactivatedBy: read('deactivatedBy', optional(deactivatedBy)) ?? null,
    createdAt: read('createdAt', optional(time)) ?? undefined,
  };
  if (!names || problems.length > 0) throw new BadRecord(problems);
  return { ...names, ...parsed };
}

/** Shows a name only if it looks like the name of a field. */
const unknownField = (name: string): string => {
  const fields = [...USER_FIELDS].join(', ');
  return /^[A-Za-z_]\w{0,31}$/.test(name)
    ? `${name}: there is no such field. The fields are ${fields}.`
    : `has an unknown field. The fields are ${fields}.`;
};

/** Maximum number of characters of an address in a username. The second username adds seven characters, within the limit of 32. */
const LONGEST_BEGINNING = 24;

/**
 * Makes two usernames: the part before the @, and the same with a number. The number depends only on the address, so
 * the same file always gives the same usernames.
 * @throws {InvalidValue} neither can be a username.
 */
function namesFrom({ email, key }: EmailAddress): Pick<ParsedRecord, 'username' | 'otherUsername'> {
  const beginning = usernameFrom(email)
    .slice(0, LONGEST_BEGINNING)
    .replace(/[._-]+$/, '');
  const number = createHash('sha256').update(key).digest().readUInt32BE(0) % 1_000_000;
  const other = parseUsername(`${beginning}-${String(number).padStart(6, '0')}`);
  try {
    return { username: parseUsername(beginning), otherUsername: other };
  } catch (error) {
    if (error instanceof InvalidValue) return { username: other, otherUsername: null };
    throw error;
  }
}
