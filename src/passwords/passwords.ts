import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import { InvalidValue } from '../platform/input.ts';
import type { Keyring } from '../platform/keyring.ts';
import { InvalidSettings } from '../platform/settings.ts';
import { storedNotation } from './imported-hash.ts';
import { PasswordCredential } from './password-credential.entity.ts';
import type { Asker, PasswordHasher, StoredPassword } from './password-hasher.ts';
import { checkPassword, type PasswordContext, passwordSizeProblem } from './password-policy.ts';
import { parseStoredHash } from './stored-hash.ts';

/** That somebody knew the password of an account, and which hash said so. */
export interface PasswordProof {
  readonly userId: string;
  readonly hash: string;
}

/** What is known of an account's password; null stands for an unknown account or one without a password. */
export type PasswordCandidate = { userId: string; stored: StoredPassword } | null;

/** The password of an account: what may be one, how it is kept, and whether somebody knows it. */
export class Passwords {
  constructor(
    private readonly hasher: PasswordHasher,
    private readonly options: { readonly minLength: number; readonly productName: string },
  ) {}

  /** @throws {InvalidValue} saying why it cannot be a new password. */
  parseNew(password: string, context: PasswordContext): string {
    const { minLength, productName } = this.options;
    const problem = checkPassword(password, { minLength, context: { ...context, productName } });
    if (problem !== null) throw new InvalidValue(problem);
    return password;
  }

  /** Only the size is judged, for a password that somebody claims to have. @throws {InvalidValue} */
  parseClaimed(password: string): string {
    const problem = passwordSizeProblem(password);
    if (problem !== null) throw new InvalidValue(problem);
    return password;
  }

  /**
   * A hash that another system made, or another gateway with the same pepper; in the one notation that is stored.
   * @throws {InvalidValue} which never repeats it.
   */
  parseStored(hash: string, pepperId: string | null): StoredPassword {
    const stored = storedNotation(hash);
    try {
      parseStoredHash(stored);
    } catch {
      throw new InvalidValue(
        'is not a bcrypt, Argon2id, PBKDF2 or scrypt hash in a notation and of a cost that are supported.',
      );
    }
    if (pepperId !== null && !this.hasher.knowsPepper(pepperId)) {
      throw new InvalidValue('PASSWORD_PEPPER lacks the key that it was made with.');
    }
    return { hash: stored, pepperId };
  }

  /** @throws {ServiceUnavailable} at once, when too many are waiting already. */
  hash(password: string, asker: Asker = {}): Promise<StoredPassword> {
    return this.hasher.hash(password, asker);
  }

  /** Gives a first password to an account that has none. @returns false when it has one by now. */
  async store(tx: EntityManager, userId: string, { hash, pepperId }: StoredPassword): Promise<boolean> {
    const rows = await statement(
      tx,
      sql`insert into password_credential (user_id, hash, pepper_id) values (${userId}, ${hash}, ${pepperId})
          on conflict do nothing returning user_id`,
    );
    return rows.length > 0;
  }

  /** @returns false when the password that was proved is no longer the one. */
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

  /** Sets a password whatever was there: for who proved the account by other means. */
  async set(tx: EntityManager, userId: string, { hash, pepperId }: StoredPassword): Promise<void> {
    await statement(
      tx,
      sql`insert into password_credential (user_id, hash, pepper_id) values (${userId}, ${hash}, ${pepperId})
          on conflict (user_id) do update
          set hash = excluded.hash, pepper_id = excluded.pepper_id, changed_at = now()`,
    );
  }

  /** Nobody signs in by password until a new one is set. */
  async remove(tx: EntityManager, userId: string): Promise<void> {
    await tx.nativeDelete(PasswordCredential, { userId });
  }

  async find(em: EntityManager, userId: string): Promise<PasswordCandidate> {
    const credential = await em.findOne(PasswordCredential, { userId }, { disableIdentityMap: true });
    return credential && { userId, stored: { hash: credential.hash, pepperId: credential.pepperId } };
  }

  /** @returns those of the accounts that have a password. */
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
   * Costs the same for a candidate that does not exist. A hash that is weaker than what is configured is replaced
   * on success, in the same turn of the queue.
   * @param matchShows false where the client must not learn that the password was right: a match then costs what a wrong
   *   password costs, and the hash stays as it is.
   * @throws {NotHashed} at once, when too many are waiting already: the password was not looked at.
   * @throws {ServiceUnavailable} it took too long.
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
      hash: rehashed ? await this.upgrade(em, candidate, rehashed, password, asker) : stored.hash,
    };
  }

  /** For a password that is not an account's yet. Costs the same for one that does not exist. */
  async matches(stored: StoredPassword | null, password: string, asker: Asker = {}): Promise<boolean> {
    return (await this.hasher.verify(password, stored, asker)).matches;
  }

  /**
   * Locks the credential, so that no change of password can slip in between the proof and what it is good for.
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
   * A pepper may only leave the list once no password was keyed with it: whoever has not signed in since still needs it.
   * @throws {InvalidSettings} naming the pepper that is missing.
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
   * Looks at every stored hash once, so that no failed login is told from others by its time.
   * @see PasswordHasher.padTo
   */
  async padToStored(em: EntityManager): Promise<void> {
    const rows = await statement(
      em,
      // One for each scheme and cost: `$2b$12`, `$argon2id$v=19$m=65536,t=3,p=1` or `$scrypt$ln=15,r=8,p=1`.
      sql<{ hash: string }>`
        select min(hash) as hash from password_credential
        group by case when hash like '$2%' then left(hash, 6)
                      else substring(hash from '^[$](?:argon2id[$][^$]*|pbkdf2-sha[0-9]+|scrypt)[$][^$]*') end`,
    );
    this.hasher.padTo(rows.map(({ hash }) => hash));
  }

  /** @returns the hash that is stored now and belongs to the password. */
  private async upgrade(
    em: EntityManager,
    { userId, stored: old }: NonNullable<PasswordCandidate>,
    { hash, pepperId }: StoredPassword,
    password: string,
    asker: Asker,
  ): Promise<string> {
    const replaced = await em.nativeUpdate(
      PasswordCredential,
      { userId, hash: old.hash },
      { hash, pepperId },
    );
    if (replaced > 0) return hash;
    try {
      // Another login upgraded it at the same moment; the proof must rest on the hash that is there now.
      const now = await this.find(em, userId);
      const same =
        now !== null &&
        (await this.hasher.verify(password, now.stored, { matchShows: true, ...asker })).matches;
      return same ? now.stored.hash : old.hash;
    } catch (error) {
      // Busy: this login fails as one whose password was changed meanwhile, and the next one succeeds.
      if (error instanceof ServiceUnavailable) return old.hash;
      throw error;
    }
  }
}
