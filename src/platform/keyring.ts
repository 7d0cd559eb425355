import {
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';

/** One secret key with the identifier that is stored beside what it made. */
export interface Key {
  /** First 4 bytes of SHA-256 over the key, in hex: tells keys apart and gives nothing away. */
  readonly id: string;
  /** Made once: given bytes, `createHmac` makes one for each call, which costs as much as the HMAC. */
  readonly secret: KeyObject;
}

/** The first key writes, all of them read: putting a new key in front rotates. */
export type Keyring = readonly [Key, ...Key[]];

export function keyFromBytes(bytes: Buffer): Key {
  return {
    id: createHash('sha256').update('gatehouse key id').update(bytes).digest('hex').slice(0, 8),
    secret: createSecretKey(bytes),
  };
}

export function findKey(keyring: Keyring, id: string): Key | undefined {
  return keyring.find((key) => key.id === id);
}

/**
 * Keys of their own for one purpose (HKDF-SHA-256, RFC 5869), under the identifiers of those that they come from: who
 * learns one of them learns neither its origin nor those of other purposes.
 */
export function derivedKeyring([first, ...rest]: Keyring, purpose: string): Keyring {
  const derive = ({ id, secret }: Key): Key => {
    const derived = hkdfSync('sha256', secret, '', `gatehouse ${purpose}`, secret.symmetricKeySize ?? 0);
    return { id, secret: createSecretKey(Buffer.from(derived)) };
  };
  return [derive(first), ...rest.map(derive)];
}

/** HMAC-SHA-256 (RFC 2104). The label separates the purposes that one key serves. */
export function mac(key: Key, label: string, data: Uint8Array): Buffer {
  return createHmac('sha256', key.secret).update(label).update('\0').update(data).digest();
}

export function macMatches(key: Key, label: string, data: Uint8Array, presented: Uint8Array): boolean {
  const expected = mac(key, label, data);
  return presented.length === expected.length && timingSafeEqual(presented, expected);
}
