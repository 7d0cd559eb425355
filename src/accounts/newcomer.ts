import { randomInt } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Conflict } from '../platform/errors.ts';
import { InvalidValue } from '../platform/input.ts';
import type { EmailAddress } from './email-address.ts';
import { User } from './user.entity.ts';
import { parseUsername, type Username } from './username.ts';
import { reserveUsername } from './username-reservation.ts';

/** No letters or digits that look like others. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
/** About 50 bits behind a name that is not wanted for itself, about 25 behind one that is. */
const RANDOM = { alone: 10, behindName: 5 };
/** Characters of a name, so that some fit behind it. */
const MAX_BASE = 24;
const ATTEMPTS = 5;

/**
 * An account for somebody who came by an identity of elsewhere: no password, and a name to be changed.
 * @param email that the other side verified; without one the account has none
 */
export async function createNewcomer(tx: EntityManager, email: EmailAddress | null = null): Promise<User> {
  const { username, key } = await reserveFreeName(tx, email);
  const user = tx.create(User, {
    username,
    usernameKey: key,
    email: email?.email ?? null,
    emailKey: email?.key ?? null,
    emailConfirmedAt: email && new Date(),
  });
  await tx.persist(user).flush();
  return user;
}

async function reserveFreeName(tx: EntityManager, email: EmailAddress | null): Promise<Username> {
  const base = email && nameFrom(email.key);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const isPlain = base !== null && attempt === 0;
    const name = isPlain ? base : withRandom(base);
    try {
      const username = parseUsername(name);
      await reserveUsername(tx, username.key);
      return username;
    } catch (error) {
      // Too short, reserved or taken: the next one has something behind it.
      if (!(error instanceof InvalidValue) && !(error instanceof Conflict)) throw error;
    }
  }
  throw new Error('no free username was found');
}

/** `ada.lovelace+news@gmail.com`: ada.lovelace. */
const nameFrom = (address: string): string =>
  (address.split('@')[0]?.split('+')[0] ?? '').replace(/[^a-z0-9._-]/g, '-').slice(0, MAX_BASE);

function withRandom(base: string | null): string {
  const length = base ? RANDOM.behindName : RANDOM.alone;
  const random = Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return `${base || 'member'}-${random}`;
}
