import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import type { Chore } from '../../platform/housekeeping/housekeeping.ts';
import { derivedKeyring, type Keyring } from '../../platform/keyring.ts';
import { SecretBox } from '../../platform/secret-box.ts';
import { InvalidSettings } from '../../platform/settings.ts';

/** Seals and opens TOTP secrets for the database, with keys of their own. Each secret is bound to its account. */
export class TotpSecrets {
  private readonly keyring: Keyring;
  private readonly box: SecretBox;

  constructor(encryptionKeys: Keyring) {
    this.keyring = derivedKeyring(encryptionKeys, 'totp secrets');
    this.box = new SecretBox(this.keyring);
  }

  seal(userId: string, secret: Uint8Array): Buffer {
    return this.box.seal(purposeFor(userId), secret);
  }

  open(userId: string, sealed: Uint8Array): Buffer {
    return this.box.open(purposeFor(userId), sealed);
  }

  /** @throws {InvalidSettings} a secret is sealed with a key that ENCRYPTION_KEY does not list; names that key. */
  async checkKeys(em: EntityManager): Promise<void> {
    const ids = this.keyring.map(({ id }) => id);
    const [row] = await statement(
      em,
      sql<{ key_id: string }>`
        select ${keyIdOf} as key_id from totp_authenticator where ${keyIdOf} <> all(${ids}) limit 1`,
    );
    if (row)
      throw new InvalidSettings([
        `ENCRYPTION_KEY lacks the key ${row.key_id}, which secrets of authenticator apps still need`,
      ]);
  }

  /** Seals secrets of other keys again with the first key, so that the other keys can be removed from the list. */
  readonly resealing: Chore = {
    name: 'authenticator secrets sealed again',
    sweep: async (em, limit) => {
      const rows = await statement(
        em,
        sql<{ user_id: string; sealed_secret: Buffer }>`
          select user_id, sealed_secret from totp_authenticator
          where ${keyIdOf} <> ${this.keyring[0].id} limit ${limit} for update skip locked`,
      );
      for (const { user_id: userId, sealed_secret: sealed } of rows) {
        const anew = this.seal(userId, this.open(userId, sealed));
        await statement(
          em,
          sql`update totp_authenticator set sealed_secret = ${anew} where user_id = ${userId}`,
        );
      }
      return rows.length;
    },
  };
}

const purposeFor = (userId: string): string => `totp secret of ${userId}`;

/** The position at which SecretBox writes the id of the key. */
const keyIdOf = sql<string>`encode(substring(sealed_secret from 2 for 4), 'hex')`;
