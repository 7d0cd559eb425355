import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { findKey, type Keyring } from './keyring.ts';
import { InvalidSettings } from './settings.ts';

const VERSION = 1;
const ID_BYTES = 4;
/** NIST SP 800-38D section 5.2.1.1: 96 bits, random. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + ID_BYTES + IV_BYTES;

/**
 * Encrypts secrets that must be read again (signing keys, TOTP secrets) with AES-256-GCM for the database. Sealed form:
 * version, key id, IV, ciphertext, tag. `purpose` is bound as additional data, so that a value sealed for one column
 * cannot be moved to another.
 */
export class SecretBox {
  constructor(private readonly keyring: Keyring) {}

  seal(purpose: string, plaintext: Uint8Array): Buffer {
    const [key] = this.keyring;
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key.secret, iv).setAAD(Buffer.from(purpose));
    // Copied once: the plaintext may be a picture of several megabytes.
    return Buffer.concat([
      Buffer.from([VERSION]),
      Buffer.from(key.id, 'hex'),
      iv,
      cipher.update(plaintext),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }

  /** Whether a value is sealed with the first key. Other values must be sealed again to retire their key. */
  isCurrent(sealed: Uint8Array): boolean {
    return Buffer.from(sealed.subarray(1, 1 + ID_BYTES)).toString('hex') === this.keyring[0].id;
  }

  /**
   * @throws {InvalidSettings} when the key is not configured.
   * @throws {Error} for another version, or a value that was altered or moved.
   */
  open(purpose: string, sealed: Uint8Array): Buffer {
    const bytes = Buffer.from(sealed);
    if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes[0] !== VERSION) {
      throw new Error(`sealed ${purpose} has an unknown form`);
    }
    const keyId = bytes.subarray(1, 1 + ID_BYTES).toString('hex');
    const key = findKey(this.keyring, keyId);
    if (!key)
      throw new InvalidSettings([
        `ENCRYPTION_KEY lacks the key ${keyId}, under which a ${purpose} is sealed`,
      ]);
    const decipher = createDecipheriv('aes-256-gcm', key.secret, bytes.subarray(1 + ID_BYTES, HEADER_BYTES))
      .setAAD(Buffer.from(purpose))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES, -TAG_BYTES)), decipher.final()]);
  }
}
