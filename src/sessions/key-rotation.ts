import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { AdvisoryLock, lockInTransaction } from '../platform/database/index.ts';
import { Conflict } from '../platform/errors.ts';
import type { RequestSource } from '../platform/request/index.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { CLOCK_SLACK, type Revocations } from './revocations.ts';
import { SigningKey } from './signing-key.entity.ts';
import { makeKey, type NewSigningKey, type SigningKeyOptions } from './signing-key-material.ts';
import { databaseTime, loadKeys, PUBLISHED_BEFORE_USE } from './signing-keys.ts';

/**
 * How fast the old keys go:
 * - `announced`: the new key signs once all services can have fetched it. The old ones go after their last token has
 *   expired.
 * - `now`: the new key signs as soon as every gateway knows it. Services with a cached key set refuse tokens until they
 *   fetch it again.
 * - `emergency`: the old keys are void at once, with every access token that they signed. Sessions live on. Where a key
 *   file signs, every key of the database is an old key, and no new key is made.
 */
export type RotationMode = 'announced' | 'now' | 'emergency';

/**
 * Seconds from the commit until every gateway has read a new key. They know it within a second; the rest is a margin.
 */
const READ_EVERYWHERE = 2;
/** Seconds for which the former key goes on signing. */
const WAIT: Readonly<Record<RotationMode, number>> = {
  announced: PUBLISHED_BEFORE_USE,
  now: READ_EVERYWHERE,
  emergency: 0,
};

export interface KeyRotationOptions extends SigningKeyOptions {
  /** Life of an access token in seconds. A key is accepted for this time after it stopped signing. */
  readonly ttlSeconds: number;
}

/**
 * Replaces the signing key. One call writes all future times of the keys into their rows. Every process follows them by
 * the database's clock (signing-keys.ts), without another command.
 */
export class KeyRotation {
  constructor(
    private readonly revocations: Revocations,
    private readonly audit: AuditLog,
    private readonly box: SecretBox,
    private readonly options: KeyRotationOptions,
  ) {}

  /**
   * @returns the key that signs next, and its start; null for the key of JWT_PRIVATE_KEY_FILE.
   * @throws {Conflict} when a key already waits to sign and `mode` is `announced`. Also when a key file signs, except
   * in an emergency.
   */
  async rotate(
    em: EntityManager,
    mode: RotationMode,
    source: RequestSource,
  ): Promise<{ kid: string; signsFrom: Date } | null> {
    if (this.options.privateKeyFile !== undefined) {
      if (mode === 'emergency') return this.voidAll(em, source);
      throw new Conflict(
        'JWT_PRIVATE_KEY_FILE signs, and its key is yours to replace: write a new key into the file, or name another ' +
          'file, and restart every process. Access tokens of the former key are void then; sessions go on. Only ' +
          '--emergency does something: it voids the keys of the database.',
      );
    }
    // Before the transaction, so that no one waits for the lock during the search for a large RSA key.
    const made = await makeKey(this.box, this.options);
    return this.revocations.transactional(em, async (tx) => {
      await lockInTransaction(tx, AdvisoryLock.SIGNING_KEYS);
      const time = await databaseTime(tx);
      const known = await loadKeys(tx, time);
      const pending = known.find(({ signsFrom }) => signsFrom.getTime() > time);
      if (pending && mode === 'announced') throw alreadyPending(pending);

      const signsFrom = new Date(time + WAIT[mode] * 1000);
      const forward = mode === 'now' && pending?.algorithm === this.options.algorithm ? pending : undefined;
      const kid = forward
        ? await this.bringForward(tx, forward, signsFrom)
        : await insert(tx, made, signsFrom);
      const others = known.filter((key) => key !== forward);
      if (mode === 'emergency') await this.void(tx, others, signsFrom, source);
      else await this.retire(tx, others, signsFrom);
      await this.audit.record(tx, source, {
        action: 'key.rotated',
        actorId: null,
        subjectId: null,
        details: { kid, mode, signsFrom: signsFrom.toISOString() },
      });
      await this.revocations.keysChanged(tx);
      return { kid, signsFrom };
    });
  }

  private async bringForward(tx: EntityManager, { kid }: SigningKey, signsFrom: Date): Promise<string> {
    await tx.nativeUpdate(SigningKey, { kid }, { signsFrom });
    return kid;
  }

  /** Lets the keys sign until the successor does. They are accepted until the last token of that moment has expired. */
  private async retire(tx: EntityManager, keys: readonly SigningKey[], retiresAt: Date): Promise<void> {
    const removedAfter = new Date(retiresAt.getTime() + (this.options.ttlSeconds + CLOCK_SLACK) * 1000);
    for (const key of keys) {
      if (key.retiresAt !== null && key.retiresAt <= retiresAt) continue;
      await tx.nativeUpdate(SigningKey, { kid: key.kid }, { retiresAt, removedAfter });
    }
  }

  /**
   * Voids every key of the database while a key file signs. Those keys only verify tokens, but a thief of such a
   * key could forge tokens.
   */
  private voidAll(em: EntityManager, source: RequestSource): Promise<null> {
    return this.revocations.transactional(em, async (tx) => {
      await lockInTransaction(tx, AdvisoryLock.SIGNING_KEYS);
      const time = await databaseTime(tx);
      await this.void(tx, await loadKeys(tx, time), new Date(time), source);
      await this.revocations.keysChanged(tx);
      return null;
    });
  }

  private async void(
    tx: EntityManager,
    keys: readonly SigningKey[],
    at: Date,
    source: RequestSource,
  ): Promise<void> {
    for (const { kid } of keys) {
      const change = { retiresAt: at, removedAfter: at, sealedPrivateKey: null };
      await tx.nativeUpdate(SigningKey, { kid }, change);
      const details = { kid };
      await this.audit.record(tx, source, { action: 'key.voided', actorId: null, subjectId: null, details });
    }
  }
}

async function insert(tx: EntityManager, key: NewSigningKey, signsFrom: Date): Promise<string> {
  await tx.insert(SigningKey, { ...key, signsFrom });
  return key.kid;
}

const alreadyPending = ({ kid, signsFrom }: SigningKey): Conflict =>
  new Conflict(
    `The key ${kid} was made already and signs from ${signsFrom.toISOString()} on. Wait for it, let it sign at once ` +
      'with --now, or void every key with --emergency.',
  );
