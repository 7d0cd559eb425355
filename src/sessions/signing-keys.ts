import type { EntityManager } from '@mikro-orm/postgresql';
import type { CryptoKey, JWK } from 'jose';
import { AdvisoryLock, lockInTransaction, sql, statement } from '../platform/database/index.ts';
import { ServiceUnavailable } from '../platform/errors.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { single } from '../platform/telemetry/index.ts';
import { signingKeyAge } from './metrics.ts';
import type { Revocations } from './revocations.ts';
import { SigningKey } from './signing-key.entity.ts';
import {
  type CurrentSigningKey,
  makeKey,
  openPrivateKey,
  readKeyFile,
  type SigningKeyOptions,
  sealedAnew,
  type VerificationKey,
  verificationKey,
} from './signing-key-material.ts';

/**
 * Milliseconds between two reads without a wake-up. They correct the offset to the database's clock, since this clock
 * stands still while the machine sleeps. Half of the slack (revocations.ts) by which a key is accepted beyond the life
 * of its tokens.
 */
const REREAD_INTERVAL = 30_000;
/** Seconds for which clients may cache the key set. */
export const KEY_SET_MAX_AGE = 300;
/** Seconds beyond the published max-age: for chained caches, and for clients with a refetch interval of their own. */
const CACHE_MARGIN = 300;
/** Seconds for which a key is published before it signs. By then every service with a cached key set knows the key. */
export const PUBLISHED_BEFORE_USE = KEY_SET_MAX_AGE + CACHE_MARGIN;

/** A key as this process holds it. Times are milliseconds since the epoch, by the database's clock. */
interface HeldKey extends VerificationKey {
  readonly createdAt: Date;
  readonly signsFrom: number;
  readonly retiresAt: number;
  readonly removedAfter: number;
  /** Only of a key that signs, or will sign, in this process. */
  readonly privateKey: CryptoKey | null;
}

/** A key as an operator sees it: no key material. */
export interface ListedKey {
  readonly kid: string;
  readonly algorithm: string;
  /**
   * `published`: accepted, but not signing here (yet). `retiring`: its successor signs, but its tokens are still
   * accepted.
   */
  readonly state: 'published' | 'signing' | 'retiring';
  /** Null for the key of JWT_PRIVATE_KEY_FILE, which has no times. */
  readonly createdAt: Date | null;
  readonly signsFrom: Date | null;
  /** Null without a successor. */
  readonly removedAfter: Date | null;
}

/** The parts that `SigningKeys` uses. */
export interface SigningKeyDependencies {
  readonly fork: () => EntityManager;
  readonly box: SecretBox;
  readonly log: (message: string, error: unknown) => void;
}

/**
 * The keys of access tokens, held in memory, so that verification and the public key set never wait for the database.
 * The times of a key decide its use (key-rotation.ts). They are compared with the database's clock, whose offset is
 * measured at each read.
 */
export class SigningKeys {
  private byKid: ReadonlyMap<string, HeldKey> = new Map();
  /**
   * Milliseconds by which the database's clock is ahead of performance.now(), a monotonic clock. The wall clock may
   * jump.
   */
  private clockOffset = 0;
  private reading: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly deps: SigningKeyDependencies,
    private readonly options: SigningKeyOptions,
    /** The key of JWT_PRIVATE_KEY_FILE. When it is set, only this key signs. */
    private readonly own: CurrentSigningKey | null,
  ) {
    signingKeyAge.readBy(() => this.age());
  }

  /**
   * Loads the keys of the database. The first start makes a key, and so does the first start with another JWT_ALG. With
   * a key file, only that key signs.
   * @param revocations announces a new key to running processes, so that they accept its tokens
   */
  static async load(
    deps: SigningKeyDependencies,
    revocations: Revocations,
    options: SigningKeyOptions,
  ): Promise<SigningKeys> {
    const { fork, box } = deps;
    const own =
      options.privateKeyFile === undefined ? null : await readKeyFile(options.privateKeyFile, options);
    const isThere = (known: readonly SigningKey[]) =>
      own !== null || known.some((key) => key.algorithm === options.algorithm && key.retiresAt === null);
    // Before the transaction: other processes that start now wait for the lock, and give up after 3 s.
    const made = isThere(await loadKeys(fork(), await databaseTime(fork())))
      ? null
      : await makeKey(box, options);
    await revocations.transactional(fork(), async (tx) => {
      await lockInTransaction(tx, AdvisoryLock.SIGNING_KEYS);
      await dropRemovedPrivateKeys(tx);
      const time = await databaseTime(tx);
      const known = await loadKeys(tx, time);
      await sealAnew(tx, box, known);
      if (isThere(known)) return;
      // When services may cache a key set without the new key, it is published first. A key of the former algorithm
      // signs until then.
      const wait = known.some((key) => signsAt(key, time)) ? PUBLISHED_BEFORE_USE : 0;
      const signsFrom = new Date(time + wait * 1000);
      await tx.insert(SigningKey, { ...(made ?? (await makeKey(box, options))), signsFrom });
      await revocations.keysChanged(tx);
    });
    const keys = new SigningKeys(deps, options, own);
    await keys.reload();
    return keys;
  }

  start(): void {
    this.timer = setInterval(() => {
      this.reload().catch((error: unknown) => this.deps.log('signing keys cannot be read', error));
    }, REREAD_INTERVAL);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.reading.catch(() => {});
  }

  /** Rereads the keys, one read after the other, so that a slow older read cannot replace a newer one. */
  reload(): Promise<void> {
    this.reading = this.reading.catch(() => {}).then(() => this.read());
    return this.reading;
  }

  /**
   * Returns the newest key that signs now, preferably of JWT_ALG.
   * @throws {ServiceUnavailable} when no key signs.
   */
  current(): CurrentSigningKey {
    if (this.own) return this.own;
    const now = this.now();
    const [best] = [...this.byKid.values()]
      .filter(canSign)
      .filter(({ signsFrom, retiresAt }) => signsFrom <= now && now < retiresAt)
      .sort((a, b) => this.preference(b) - this.preference(a) || b.signsFrom - a.signsFrom);
    if (!best) throw new ServiceUnavailable({ detail: 'no key signs access tokens now' });
    return best;
  }

  private age() {
    if (this.own) return [];
    const { kid } = this.current();
    const createdAt = this.byKid.get(kid)?.createdAt.getTime() ?? this.now();
    return single((this.now() - createdAt) / 1_000);
  }

  find(kid: string): VerificationKey | undefined {
    if (this.own?.kid === kid) return this.own;
    const key = this.byKid.get(kid);
    return key && this.now() < key.removedAfter ? key : undefined;
  }

  /** JWK Set (RFC 7517 section 5). */
  jwks(): { keys: JWK[] } {
    const keys = this.accepted().filter(({ kid }) => kid !== this.own?.kid);
    return { keys: [...keys, ...(this.own ? [this.own] : [])].map(({ jwk }) => jwk) };
  }

  /** Every key that is accepted now, newest first. */
  list(): ListedKey[] {
    const now = this.now();
    const { kid: signing } = this.current();
    const own: ListedKey[] = this.own
      ? [{ ...pick(this.own), state: 'signing', createdAt: null, signsFrom: null, removedAfter: null }]
      : [];
    const others = this.accepted().map((key): ListedKey => {
      const idle = key.retiresAt <= now ? 'retiring' : 'published';
      return {
        ...pick(key),
        state: key.kid === signing ? 'signing' : idle,
        createdAt: key.createdAt,
        signsFrom: new Date(key.signsFrom),
        removedAfter: Number.isFinite(key.removedAfter) ? new Date(key.removedAfter) : null,
      };
    });
    return [...own, ...others];
  }

  private accepted(): HeldKey[] {
    const now = this.now();
    return [...this.byKid.values()].filter(({ removedAfter }) => now < removedAfter);
  }

  private preference({ algorithm }: HeldKey): number {
    return algorithm === this.options.algorithm ? 1 : 0;
  }

  /** Milliseconds since the epoch by the database's clock. At most the time of one statement ahead of it. */
  private now(): number {
    return performance.now() + this.clockOffset;
  }

  private async read(): Promise<void> {
    const em = this.deps.fork();
    const askedAt = performance.now();
    const time = await databaseTime(em);
    const rows = await loadKeys(em, time);
    const held = await Promise.all(rows.map((row) => this.hold(row, time)));
    this.clockOffset = time - askedAt;
    this.byKid = new Map(held.map((key) => [key.kid, key]));
  }

  private async hold(row: SigningKey, time: number): Promise<HeldKey> {
    const { algorithm, sealedPrivateKey, createdAt } = row;
    const retiresAt = row.retiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    const signs = !this.own && sealedPrivateKey !== null && time < retiresAt;
    return {
      ...(await verificationKey(row)),
      createdAt,
      signsFrom: row.signsFrom.getTime(),
      retiresAt,
      removedAfter: row.removedAfter?.getTime() ?? Number.POSITIVE_INFINITY,
      privateKey: signs ? await openPrivateKey(this.deps.box, sealedPrivateKey, algorithm) : null,
    };
  }
}

/**
 * Milliseconds since the epoch by the database's clock. It is the present time, not that of the start of the
 * transaction, which may have waited for a lock.
 */
export async function databaseTime(em: EntityManager): Promise<number> {
  const [row] = await statement(
    em,
    sql<{ time: number }>`select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as time`,
  );
  if (!row) throw new Error('the database did not tell the time');
  return row.time;
}

const signsAt = ({ signsFrom, retiresAt }: SigningKey, time: number): boolean =>
  signsFrom.getTime() <= time && (retiresAt === null || time < retiresAt.getTime());

/** Loads the keys that are not removed at `time`, newest first. */
export function loadKeys(em: EntityManager, time: number): Promise<SigningKey[]> {
  return em.find(
    SigningKey,
    { $or: [{ removedAfter: null }, { removedAfter: { $gt: new Date(time) } }] },
    { populate: ['sealedPrivateKey'], orderBy: { createdAt: 'desc', kid: 'asc' }, disableIdentityMap: true },
  );
}

/** Deletes the private halves of keys that no process accepts any more. */
async function dropRemovedPrivateKeys(em: EntityManager): Promise<void> {
  await statement(em, sql`update signing_key set sealed_private_key = null where removed_after <= now()`);
}

/** Seals private keys under the first key of ENCRYPTION_KEY, so that operators can take the others off its list. */
async function sealAnew(em: EntityManager, box: SecretBox, rows: readonly SigningKey[]): Promise<void> {
  for (const { kid, sealedPrivateKey } of rows) {
    const anew = sealedPrivateKey && sealedAnew(box, sealedPrivateKey);
    if (anew) await em.nativeUpdate(SigningKey, { kid }, { sealedPrivateKey: anew });
  }
}

const canSign = (key: HeldKey): key is HeldKey & CurrentSigningKey => key.privateKey !== null;

const pick = ({ kid, algorithm }: VerificationKey) => ({ kid, algorithm });
