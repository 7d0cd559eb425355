import { InvalidValue } from '../platform/input.ts';
import { EVERY_PERMISSION } from './permissions.ts';

/**
 * Every access token carries the names of the holder's roles, so names are short and their number is limited
 * (role-grants.ts).
 */
const NAME = /^[A-Za-z][A-Za-z0-9._:-]{0,63}$/;
/** Words with dots or colons between them: `user:read`, `reports.monthly.read`. */
const PERMISSION = /^[A-Za-z0-9][A-Za-z0-9_-]*(?:[.:][A-Za-z0-9_-]+)*$/;
const MAX_PERMISSION_LENGTH = 64;
const MAX_PERMISSIONS = 200;
/** In characters. */
const MAX_DESCRIPTION = 500;

/** Whether a role can have this name. Also protects PostgreSQL from text that it does not accept (NUL). */
export const isRoleName = (text: string): boolean => NAME.test(text);

/** @throws {InvalidValue} */
export function parseRoleName(text: string): string {
  if (!isRoleName(text)) {
    throw new InvalidValue(
      'The name of a role is a letter, followed by up to 63 letters, digits, dots, colons, dashes and underscores.',
    );
  }
  return text;
}

/** Parses permissions: sorted, each once. @throws {InvalidValue} */
export function parsePermissions(words: readonly string[]): string[] {
  if (words.length > MAX_PERMISSIONS) {
    throw new InvalidValue(`A role has at most ${MAX_PERMISSIONS} permissions.`);
  }
  if (words.includes(EVERY_PERMISSION)) {
    throw new InvalidValue('Only the role superuser has the permission *.');
  }
  if (!words.every((word) => word.length <= MAX_PERMISSION_LENGTH && PERMISSION.test(word))) {
    throw new InvalidValue(
      `A permission has at most ${MAX_PERMISSION_LENGTH} characters. It consists of words with dots or colons between them, such as report:read. A word has letters, digits, dashes and underscores.`,
    );
  }
  return [...new Set(words)].sort();
}

/** @returns null for none. @throws {InvalidValue} */
export function parseDescription(text: string | null | undefined): string | null {
  const description = (text ?? '').trim();
  if (description.length > MAX_DESCRIPTION) {
    throw new InvalidValue(`A description has at most ${MAX_DESCRIPTION} characters.`);
  }
  if (!description.isWellFormed() || description.includes('\0')) {
    throw new InvalidValue('A description has no control characters.');
  }
  return description === '' ? null : description;
}
