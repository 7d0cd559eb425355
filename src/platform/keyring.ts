import {
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';

/** One secret key with its identifier, which is stored next to everything that the key makes. */
export interface Key {
  /** First 4 bytes of SHA-256 over the key, in hex. Identifies the key without revealing it. */
  readonly id: string;
  /** Made once. Given bytes, `createHmac` makes a key object at each call, which costs as much as the HMAC. */
  readonly secret: KeyObject;
}

/** The first key writes, and all keys read. Put a new key first to rotate. */
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
 * Derives keys for one purpose (HKDF-SHA-256, RFC 5869), with the identifiers of their source keys. A derived key
 * reveals neither its source key nor the keys of other purposes.
 */
export function derivedKeyring([first, ...rest]: Keyring, purpose: string): Keyring {
  const derive = ({ id, secret }: Key): Key => {
    const derived = hkdfSync('sha256', secret, '', `gatehouse ${purpose}`, secret.symmetricKeySize ?? 0);
    return { id, secret: createSecretKey(Buffer.from(derived)) };
  };
  return [derive(first), ...rest.map(derive)];
}

/** HMAC-SHA-256 (RFC 2104). The label separates the purposes of one key. */
export function mac(key: Key, label: string, data: Uint8Array): Buffer {
  return createHmac('sha256', key.secret).update(label).update('\0').update(data).digest();
}

export function macMatches(key: Key, label: string, data: Uint8Array, presented: Uint8Array): boolean {
  const expected = mac(key, label, data);
  return presented.length === expected.length && timingSafeEqual(presented, expected);
}
