import { randomInt } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { User } from './user.entity.ts';
import { parseUsername } from './username.ts';

/** No letters or digits that look like others. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
/** About 50 bits: two newcomers do not get the same name. */
const RANDOM_LENGTH = 10;

/** An account for somebody who came by an identity of elsewhere: no address, no password, a name to be changed. */
export async function createNewcomer(tx: EntityManager): Promise<User> {
  const random = Array.from({ length: RANDOM_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  const { username, key } = parseUsername(`member-${random}`);
  const user = tx.create(User, { username, usernameKey: key });
  await tx.persist(user).flush();
  return user;
}
