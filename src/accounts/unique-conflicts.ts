import { violatedUniqueConstraint } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';

export const usernameTaken = (): Conflict =>
  new Conflict('This username is taken.', [{ field: 'input.username', message: 'This username is taken.' }]);

export const addressTaken = (): Conflict =>
  new Conflict('This e-mail address has an account already.', [
    { field: 'input.email', message: 'This e-mail address has an account already.' },
  ]);

/** Turns a clash with one of the unique keys into what the client may know; passes on everything else. */
export function asConflict(error: unknown): unknown {
  switch (violatedUniqueConstraint(error)) {
    case 'users_username_key_unique':
    case 'pending_registration_username_key_unique':
      return usernameTaken();
    case 'users_email_key_unique':
      return addressTaken();
    default:
      return error;
  }
}
