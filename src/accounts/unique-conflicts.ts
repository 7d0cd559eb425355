import { violatedUniqueConstraint } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';

export const usernameTaken = (): Conflict =>
  new Conflict('This username is taken.', [{ field: 'input.username', message: 'This username is taken.' }]);

export const addressTaken = (): Conflict =>
  new Conflict('This e-mail address has an account already.', [
    { field: 'input.email', message: 'This e-mail address has an account already.' },
  ]);

/** Translates a violation of a unique constraint into an error for the client. Returns every other error as it is. */
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
