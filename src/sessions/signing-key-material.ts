import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
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
import type { SecretBox } from '../platform/secret-box.ts';
import { InvalidSettings } from '../platform/settings.ts';
import type { SigningKey } from './signing-key.entity.ts';

const PURPOSE = 'signing key';

/** Members that a public JWK may have (RFC 7517 section 4, RFC 7518 section 6). Other members are never published. */
const PUBLIC_MEMBERS = ['kty', 'n', 'e', 'crv', 'x', 'y'] as const;

export interface VerificationKey {
  readonly kid: string;
  /** The only algorithm that this key may be used with (RFC 8725 section 3.1). */
  readonly algorithm: string;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

export interface CurrentSigningKey extends VerificationKey {
  readonly privateKey: CryptoKey;
}

export interface SigningKeyOptions {
  readonly algorithm: string;
  /** Modulus length of new RSA keys. */
  readonly rsaBits: number;
  readonly privateKeyFile: string | undefined;
}

/**
 * Seals the private half under the first key of ENCRYPTION_KEY. Returns undefined when it is sealed under that key
 * already.
 */
export function sealedAnew(box: SecretBox, sealed: Buffer): Buffer | undefined {
  return box.isCurrent(sealed) ? undefined : box.seal(PURPOSE, box.open(PURPOSE, sealed));
}

export function openPrivateKey(box: SecretBox, sealed: Buffer, algorithm: string): Promise<CryptoKey> {
  return importPKCS8(box.open(PURPOSE, sealed).toString('utf8'), algorithm);
}

export type NewSigningKey = Pick<SigningKey, 'kid' | 'algorithm' | 'publicKey' | 'sealedPrivateKey'>;

export async function makeKey(
  box: SecretBox,
  { algorithm, rsaBits }: SigningKeyOptions,
): Promise<NewSigningKey> {
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

export async function verificationKey(
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

export async function readKeyFile(
  file: string,
  { algorithm }: SigningKeyOptions,
): Promise<CurrentSigningKey> {
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
    // Some unfit keys, such as a short RSA key, fail only when they sign.
    await new SignJWT({}).setProtectedHeader({ alg: algorithm }).sign(privateKey);
    return { ...publicHalf, privateKey };
  } catch {
    throw new InvalidSettings([`JWT_PRIVATE_KEY_FILE holds a key that does not fit JWT_ALG ${algorithm}`]);
  }
}
