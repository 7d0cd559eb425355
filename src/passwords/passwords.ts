import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { InvalidValue } from '../platform/input.ts';
import type { Keyring } from '../platform/keyring.ts';
import { InvalidSettings } from '../platform/settings.ts';
import type { Asker } from './hash-queue.ts';
import { storedNotation } from './imported-hash.ts';
import { PasswordCredential } from './password-credential.entity.ts';
import type { PasswordHasher, StoredPassword } from './password-hasher.ts';
import { checkPassword, type PasswordContext, passwordSizeProblem } from './password-policy.ts';
import { parseStoredHash } from './stored-hash.ts';

/** A proof that a person knew the password of an account, with the hash that matched. */
export interface PasswordProof {
  readonly userId: string;
  readonly hash: string;
}

/** The stored password of an account. Null stands for an unknown account or one without a password. */
export type PasswordCandidate = { userId: string; stored: StoredPassword } | null;

/** The password of an account: its rules, its storage and its verification. */
export class Passwords {
  constructor(
    private readonly hasher: PasswordHasher,
    private readonly options: { readonly minLength: number; readonly productName: string },
  ) {}

  /** @throws {InvalidValue} with the reason why it cannot be a new password. */
  parseNew(password: string, context: PasswordContext): string {
    const { minLength, productName } = this.options;
    const problem = checkPassword(password, { minLength, context: { ...context, productName } });
    if (problem !== null) throw new InvalidValue(problem);
    return password;
  }

  /**
   * Checks only the size, for a password that a caller claims to have.
   * @throws {InvalidValue}
   */
  parseClaimed(password: string): string {
    const problem = passwordSizeProblem(password);
    if (problem !== null) throw new InvalidValue(problem);
    return password;
  }

  /**
   * Parses a hash of another system, or of another gateway with the same pepper, into the stored notation.
   * @throws {InvalidValue} which never repeats the hash.
   */
  parseStored(hash: string, pepperId: string | null): StoredPassword {
    const stored = storedNotation(hash);
    try {
      parseStoredHash(stored);
    } catch {
      throw new InvalidValue(
        'is not a bcrypt, Argon2id, PBKDF2 or scrypt hash with a supported notation and cost.',
      );
    }
    if (pepperId !== null && !this.hasher.knowsPepper(pepperId)) {
      throw new InvalidValue('PASSWORD_PEPPER lacks the key of this hash.');
    }
    return { hash: stored, pepperId };
  }

  /** @throws {ServiceUnavailable} at once, when too many jobs wait already. */
  hash(password: string, asker: Asker = {}): Promise<StoredPassword> {
    return this.hasher.hash(password, asker);
  }

  /**
   * Gives an account without a password its first one.
   * @returns false when the account has one by now.
   */
  async store(tx: EntityManager, userId: string, { hash, pepperId }: StoredPassword): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`insert into password_credential (user_id, hash, pepper_id) values (${userId}, ${hash}, ${pepperId})
          on conflict do nothing returning user_id`,
    );
    return rows.length > 0;
  }

  /** @returns false when the proved password is no longer the current one. */
  async replace(
    tx: EntityManager,
    proof: PasswordProof,
    { hash, pepperId }: StoredPassword,
  ): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`update password_credential set hash = ${hash}, pepper_id = ${pepperId}, changed_at = now()
          where user_id = ${proof.userId} and hash = ${proof.hash} returning user_id`,
    );
    return rows.length > 0;
  }

  /** Sets the password, whether or not there was one. For a caller who proved the account by other means. */
  async set(tx: EntityManager, userId: string, { hash, pepperId }: StoredPassword): Promise<void> {
    await statement(
      tx,
      sql`insert into password_credential (user_id, hash, pepper_id) values (${userId}, ${hash}, ${pepperId})
          on conflict (user_id) do update
          set hash = excluded.hash, pepper_id = excluded.pepper_id, changed_at = now()`,
    );
  }

  /** Removes the password: until a new one is set, no sign-in by password is possible. */
  async remove(tx: EntityManager, userId: string): Promise<void> {
    await tx.nativeDelete(PasswordCredential, { userId });
  }

  async find(em: EntityManager, userId: string): Promise<PasswordCandidate> {
    const credential = await em.findOne(PasswordCredential, { userId }, { disableIdentityMap: true });
    return credential && { userId, stored: { hash: credential.hash, pepperId: credential.pepperId } };
  }

  /** @returns the accounts that have a password. */
  async holders(em: EntityManager, userIds: readonly string[]): Promise<ReadonlyMap<string, true>> {
    const rows = await statement(
      em,
      sql<{
        user_id: string;
      }>`select user_id from password_credential where user_id = any(${[...userIds]}::uuid[])`,
    );
    return new Map(rows.map(({ user_id }) => [user_id, true]));
  }

  /**
   * Verifies a password, at the same cost for a candidate that does not exist. On success, a hash that is weaker than
   * configured is replaced in the same turn of the queue.
   * @param matchShows false when the client must not learn that the password was right: a match then costs as much as a
   * wrong password, and the hash is not replaced.
   * @throws {NotHashed} at once, when too many jobs wait already: the password was not compared.
   * @throws {ServiceUnavailable} when it took too long.
   */
  async verify(
    em: EntityManager,
    candidate: PasswordCandidate,
    password: string,
    { matchShows = true, ...asker }: { matchShows?: boolean } & Asker = {},
  ): Promise<PasswordProof | null> {
    const { matches, rehashed } = await this.hasher.verify(password, candidate?.stored ?? null, {
      matchShows,
      ...asker,
    });
    if (!matches || !candidate) return null;
    const { userId, stored } = candidate;
    return {
      userId,
      hash: rehashed ? await this.upgrade(em, candidate, rehashed, { password, asker }) : stored.hash,
    };
  }

  /** Verifies a password that does not belong to an account yet. Costs the same when there is no stored password. */
  async matches(stored: StoredPassword | null, password: string, asker: Asker = {}): Promise<boolean> {
    return (await this.hasher.verify(password, stored, asker)).matches;
  }

  /**
   * Locks the credential, so that the password cannot change between the proof and the change that it allows.
   * @returns false when the password was changed since.
   */
  async stillHolds(tx: EntityManager, { userId, hash }: PasswordProof): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`select from password_credential where user_id = ${userId} and hash = ${hash} for share`,
    );
    return rows.length > 0;
  }

  /**
   * Checks that no password needs a missing pepper. A pepper may be removed only when no password is keyed with it.
   * Users who have not signed in since the rotation still need it.
   * @throws {InvalidSettings} naming the missing pepper.
   */
  async checkPeppers(em: EntityManager, peppers: Keyring): Promise<void> {
    const ids = peppers.map(({ id }) => id);
    const [row] = await statement(
      em,
      sql<{
        pepper_id: string;
      }>`select pepper_id from password_credential where pepper_id <> all(${ids})
         union all select pepper_id from pending_registration where pepper_id <> all(${ids}) and expires_at > now()
         limit 1`,
    );
    if (row)
      throw new InvalidSettings([
        `PASSWORD_PEPPER lacks the key ${row.pepper_id}, which passwords still need`,
      ]);
  }

  /**
   * Reads every kind of stored hash once, so that the duration does not distinguish failed logins.
   * @see PasswordHasher.padTo
   */
  async padToStored(em: EntityManager): Promise<void> {
    const rows = await statement(
      em,
      // One hash for each scheme and cost: `$2b$12`, `$argon2id$v=19$m=65536,t=3,p=1` or `$scrypt$ln=15,r=8,p=1`.
      sql<{ hash: string }>`
        select min(hash) as hash from password_credential
        group by case when hash like '$2%' then left(hash, 6)
                      else substring(hash from '^[$](?:argon2id[$][^$]*|pbkdf2-sha[0-9]+|scrypt)[$][^$]*') end`,
    );
    this.hasher.padTo(rows.map(({ hash }) => hash));
  }

  /** @returns the stored hash that belongs to the password now. */
  private async upgrade(
    em: EntityManager,
    { userId, stored: old }: NonNullable<PasswordCandidate>,
    { hash, pepperId }: StoredPassword,
    { password, asker }: { readonly password: string; readonly asker: Asker },
  ): Promise<string> {
    const replaced = await em.nativeUpdate(
      PasswordCredential,
      { userId, hash: old.hash },
      { hash, pepperId },
    );
    if (replaced > 0) return hash;
    try {
      // Another login replaced it at the same moment. The proof must rest on the current hash.
      const now = await this.find(em, userId);
      const same =
        now !== null &&
        (await this.hasher.verify(password, now.stored, { matchShows: true, ...asker })).matches;
      return same ? now.stored.hash : old.hash;
    } catch (error) {
      // When the hasher is busy, this login fails as if the password had changed, and the next one succeeds.
      if (error instanceof ServiceUnavailable) return old.hash;
      throw error;
    }
  }
}
