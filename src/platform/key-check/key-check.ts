import type { EntityManager } from '@mikro-orm/postgresql';
import { type Keyring, mac } from '../keyring.ts';
import { InvalidSettings } from '../settings.ts';
import { KeyCheck } from './key-check.entity.ts';

const LABEL = 'gatehouse key check';

interface Proof {
  readonly setting: string;
  readonly keyId: string;
  readonly proof: Buffer;
}

/** The result of comparing the keys of this process with those of a database. */
export interface KeyComparison {
  /** The settings with wrong keys: the database knows keys for them, but none of these. */
  readonly wrong: readonly string[];
  /** Proofs of keys that the database does not know yet. */
  readonly missing: readonly Proof[];
}

/** Compares the configured keys with those of the database, and changes nothing. */
export async function compareKeys(
  em: EntityManager,
  keyrings: Readonly<Record<string, Keyring>>,
): Promise<KeyComparison> {
  const wrong: string[] = [];
  const missing: Proof[] = [];
  for (const [setting, keyring] of Object.entries(keyrings)) {
    const known = await em.find(KeyCheck, { setting });
    const proofs = keyring.map((key) => ({
      setting,
      keyId: key.id,
      proof: mac(key, LABEL, Buffer.from(setting)),
    }));
    const isKnown = ({ keyId, proof }: Proof) =>
      known.some((row) => row.keyId === keyId && proof.equals(row.proof));
    if (known.length > 0 && !proofs.some(isKnown)) wrong.push(setting);
    else missing.push(...proofs.filter((proof) => !isKnown(proof)));
  }
  return { wrong, missing };
}

/**
 * Compares the configured keys with those of the database before the gateway serves. A wrong TOKEN_KEY would sign out
 * all users; with a wrong PASSWORD_PEPPER, no user could sign in. The first start on a database, and the first start
 * with a new key, store a proof of the key.
 * @throws {InvalidSettings} naming each setting whose keys cannot read the database.
 */
export async function checkKeys(
  em: EntityManager,
  keyrings: Readonly<Record<string, Keyring>>,
): Promise<void> {
  const { wrong, missing } = await compareKeys(em, keyrings);
  if (missing.length > 0) await em.upsertMany(KeyCheck, [...missing], { onConflictAction: 'ignore' });
  if (wrong.length > 0)
    throw new InvalidSettings(
      wrong.map((setting) => `${setting} holds none of the keys that this database was written with`),
    );
}
