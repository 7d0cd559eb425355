import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { EntityManager } from '@mikro-orm/postgresql';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importJWK,
  importPKCS8,
  type JWK,
  SignJWT,
} from 'jose';
import { AdvisoryLock, lockInTransaction } from '../platform/database/index.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { InvalidSettings } from '../platform/settings.ts';
import { SigningKey } from './signing-key.entity.ts';

const PURPOSE = 'signing key';

/** Members that a public JWK may have (RFC 7517 section 4, RFC 7518 section 6). Anything else stays here. */
const PUBLIC_MEMBERS = ['kty', 'n', 'e', 'crv', 'x', 'y'] as const;

export interface VerificationKey {
  readonly kid: string;
  /** The only algorithm that this key is good for (RFC 8725 section 3.1). */
  readonly algorithm: string;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

export interface CurrentSigningKey extends VerificationKey {
  readonly privateKey: CryptoKey;
}

export interface SigningKeyOptions {
  readonly algorithm: string;
  /** Modulus length of RSA keys that are made. */
  readonly rsaBits: number;
  readonly privateKeyFile: string | undefined;
}

/** The keys of access tokens, held in memory: verification and the public key set never wait for the database. */
export class SigningKeys {
  private constructor(
    private readonly signing: CurrentSigningKey,
    private readonly byKid: ReadonlyMap<string, VerificationKey>,
  ) {}

  /** Loads the keys of the database; the first start makes one. With a key file, that key alone signs. */
  static async load(em: EntityManager, box: SecretBox, options: SigningKeyOptions): Promise<SigningKeys> {
    const own =
      options.privateKeyFile === undefined ? null : await readKeyFile(options.privateKeyFile, options);
    const rows = await em.transactional(async (tx) => {
      await lockInTransaction(tx, AdvisoryLock.SIGNING_KEYS);
      const known = await loadRows(tx);
      await sealAnew(tx, box, known);
      if (own || known.some(({ algorithm }) => algorithm === options.algorithm)) return known;
      await tx.insert(SigningKey, await makeKey(box, options));
      return loadRows(tx);
    });

    const verification = await Promise.all(rows.map(verificationKey));
    const byKid = new Map(verification.map((key) => [key.kid, key]));
    if (own) return new SigningKeys(own, byKid.set(own.kid, own));

    const newest = rows.find(({ algorithm }) => algorithm === options.algorithm);
    const publicHalf = newest && byKid.get(newest.kid);
    if (!newest || !publicHalf) throw new Error('no signing key was made');
    const pkcs8 = box.open(PURPOSE, newest.sealedPrivateKey).toString('utf8');
    return new SigningKeys({ ...publicHalf, privateKey: await importPKCS8(pkcs8, newest.algorithm) }, byKid);
  }

  current(): CurrentSigningKey {
    return this.signing;
  }

  find(kid: string): VerificationKey | undefined {
    return this.byKid.get(kid);
  }

  /** JWK Set (RFC 7517 section 5). */
  jwks(): { keys: JWK[] } {
    return { keys: [...this.byKid.values()].map(({ jwk }) => jwk) };
  }
}

/** Newest first. */
function loadRows(em: EntityManager): Promise<SigningKey[]> {
  return em.find(
    SigningKey,
    {},
    { populate: ['sealedPrivateKey'], orderBy: { createdAt: 'desc', kid: 'asc' }, disableIdentityMap: true },
  );
}

/** Moves private keys to the first key of ENCRYPTION_KEY, so that the others can be taken off its list. */
async function sealAnew(em: EntityManager, box: SecretBox, rows: readonly SigningKey[]): Promise<void> {
  for (const row of rows) {
    if (box.isCurrent(row.sealedPrivateKey)) continue;
    row.sealedPrivateKey = box.seal(PURPOSE, box.open(PURPOSE, row.sealedPrivateKey));
    await em.nativeUpdate(SigningKey, { kid: row.kid }, { sealedPrivateKey: row.sealedPrivateKey });
  }
}

async function makeKey(box: SecretBox, { algorithm, rsaBits }: SigningKeyOptions) {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, {
    extractable: true,
    modulusLength: rsaBits,
  });
  const pkcs8 = await exportPKCS8(privateKey);
  const jwk = publicJwk(await exportJWK(publicKey));
  return {
    kid: await calculateJwkThumbprint(jwk),
    algorithm,
    publicKey: jwk,
    sealedPrivateKey: box.seal(PURPOSE, Buffer.from(pkcs8)),
  };
}

async function verificationKey(
  row: Pick<SigningKey, 'kid' | 'algorithm' | 'publicKey'>,
): Promise<VerificationKey> {
  const { kid, algorithm, publicKey: jwk } = row;
  return {
    kid,
    algorithm,
    publicKey: (await importJWK(jwk, algorithm)) as CryptoKey,
    jwk: { ...jwk, kid, alg: algorithm, use: 'sig' },
  };
}

function publicJwk(jwk: JWK): JWK {
  return Object.fromEntries(
    PUBLIC_MEMBERS.filter((name) => name in jwk).map((name) => [name, jwk[name]]),
  ) as JWK;
}

async function readKeyFile(file: string, { algorithm }: SigningKeyOptions): Promise<CurrentSigningKey> {
  let key: KeyObject;
  try {
    key = createPrivateKey(await readFile(file));
  } catch {
    throw new InvalidSettings([
      'JWT_PRIVATE_KEY_FILE names a file that is not a readable private key in PEM form',
    ]);
  }
  try {
    const jwk = publicJwk(createPublicKey(key).export({ format: 'jwk' }) as JWK);
    const kid = await calculateJwkThumbprint(jwk);
    const pkcs8 = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    const publicHalf = await verificationKey({ kid, algorithm, publicKey: jwk });
    const privateKey = await importPKCS8(pkcs8, algorithm);
    // Some unfit keys, such as a short RSA one, only fail when they sign.
    await new SignJWT({}).setProtectedHeader({ alg: algorithm }).sign(privateKey);
    return { ...publicHalf, privateKey };
  } catch {
    throw new InvalidSettings([`JWT_PRIVATE_KEY_FILE holds a key that does not fit JWT_ALG ${algorithm}`]);
  }
}
