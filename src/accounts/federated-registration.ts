import { randomInt } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { Conflict } from '../platform/errors.ts';
import type { EmailAddress } from './email-address.ts';
import { User } from './user.entity.ts';
import { parseUsername, type Username } from './username.ts';
import { reserveUsername } from './username-reservation.ts';

/** Digits and letters that are not mistaken for one another. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789';
/** About 50 bits, so that two usernames hardly ever collide. */
const RANDOM_LENGTH = 10;
const ATTEMPTS = 5;

/**
 * Makes an account for a person who registers by an identity provider. It has no password, and a random username that
 * the owner may change.
 * @param email that the provider verified; without it the account has no address
 */
export async function registerFederated(tx: EntityManager, email: EmailAddress | null = null): Promise<User> {
  const { username, key, skeletons } = await reserveNeutralName(tx);
  const user = tx.create(User, {
    username,
    usernameKey: key,
    usernameSkeletons: skeletons,
    email: email?.email ?? null,
    emailKey: email?.key ?? null,
    emailConfirmedAt: email && new Date(),
  });
  await tx.persist(user).flush();
  return user;
}

/**
 * Reserves a random username. Usernames are public, so this one reveals neither the mailbox nor the identity provider.
 * @throws {Error} every attempt was taken.
 */
async function reserveNeutralName(tx: EntityManager): Promise<Username> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      const username = parseUsername(neutralName());
      await reserveUsername(tx, username);
      return username;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
  }
  throw new Error('every random username was taken');
}

function neutralName(): string {
  const random = Array.from({ length: RANDOM_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return `member-${random}`;
}
