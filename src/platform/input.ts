import { BadUserInput, type FieldProblem } from './errors.ts';

/** A value from a person is not acceptable. The message is for that person and never contains the value. */
export class InvalidValue extends Error {}

type Readers = Readonly<Record<string, () => unknown>>;

/**
 * Reads several input fields and reports all their problems together.
 *
 *     const { username, email } = readFields('input', {
 *       username: () => parseUsername(input.username),
 *       email: () => parseEmailAddress(input.email),
 *     });
 *
 * @param path prefix of the field names in the error; empty when the fields are arguments themselves
 * @throws {BadUserInput} naming every refused field.
 */
export function readFields<T extends Readers>(
  path: string,
  readers: T,
): { [K in keyof T]: ReturnType<T[K]> } {
  const values: Record<string, unknown> = {};
  const problems: FieldProblem[] = [];
  for (const [field, read] of Object.entries(readers)) {
    try {
      values[field] = read();
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      problems.push({ field: path === '' ? field : `${path}.${field}`, message: error.message });
    }
  }
  if (problems.length > 0) throw new BadUserInput(problems);
  return values as { [K in keyof T]: ReturnType<T[K]> };
}
