import { createHash } from 'node:crypto';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { createBase58check } from '@scure/base';

/** `Bitcoin Signed Message:\n` with its length before it. Wallets put it before a text when they sign. */
const MAGIC = Buffer.from('\x18Bitcoin Signed Message:\n', 'latin1');
/** First byte of a compact signature with a compressed key, to which the recovery id is added. */
const COMPACT_HEADER = 31;
const SIGNATURE_BYTES = 65;
/** First byte of the address of a public key (P2PKH). The next one is for a private key in wallet import format. */
const ADDRESS_VERSION = 0x00;
const PRIVATE_KEY_VERSION = 0x80;
const COMPRESSED = 0x01;

const base58check = createBase58check(sha256);

/** A Bitcoin key. Other parties check its messages against its address. */
export interface BitcoinKey {
  readonly privateKey: Uint8Array;
  /** The address of the compressed public key. */
  readonly address: string;
}

/** @throws {Error} the text is not a compressed key of the main network in wallet import format. */
export function readWalletImportFormat(text: string): BitcoinKey {
  const bytes = decode(text);
  if (bytes?.length !== 34 || bytes[0] !== PRIVATE_KEY_VERSION || bytes[33] !== COMPRESSED) {
    throw new Error('must be a compressed Bitcoin private key in wallet import format');
  }
  return bitcoinKey(bytes.subarray(1, 33));
}

export function bitcoinKey(privateKey: Uint8Array): BitcoinKey {
  return { privateKey, address: addressOf(secp256k1.getPublicKey(privateKey, true)) };
}

/** @returns the 65 bytes of a compact recoverable signature in base64. */
export function signMessage(key: BitcoinKey, text: string): string {
  // noble hashes the message once more, which gives the double SHA-256 of Bitcoin.
  const signature = secp256k1.sign(framed(text), key.privateKey, { format: 'recovered' });
  const [recovery = 0, ...compact] = signature;
  return Buffer.from([COMPACT_HEADER + recovery, ...compact]).toString('base64');
}

/** Whether the holder of the address signed exactly this text. */
export function isSignedBy(address: string, text: string, signature: string): boolean {
  const bytes = Buffer.from(signature, 'base64');
  const recovery = (bytes[0] ?? 0) - COMPACT_HEADER;
  const isCanonical = bytes.toString('base64') === signature;
  if (!isCanonical || bytes.length !== SIGNATURE_BYTES || recovery < 0 || recovery > 3) return false;
  try {
    const recovered = Uint8Array.of(recovery, ...bytes.subarray(1));
    return addressOf(secp256k1.recoverPublicKey(recovered, framed(text))) === address;
  } catch {
    return false; // No key can have made this signature.
  }
}

function framed(text: string): Uint8Array {
  const message = Buffer.from(text);
  return createHash('sha256').update(MAGIC).update(compactSize(message.length)).update(message).digest();
}

/** Length prefix of the Bitcoin wire format. */
function compactSize(length: number): Buffer {
  if (length < 0xfd) return Buffer.from([length]);
  const long = length > 0xffff;
  const bytes = Buffer.alloc(long ? 5 : 3);
  bytes[0] = long ? 0xfe : 0xfd;
  if (long) bytes.writeUInt32LE(length, 1);
  else bytes.writeUInt16LE(length, 1);
  return bytes;
}

const addressOf = (publicKey: Uint8Array): string =>
  base58check.encode(Uint8Array.of(ADDRESS_VERSION, ...ripemd160(sha256(publicKey))));

function decode(text: string): Uint8Array | undefined {
  try {
    return base58check.decode(text);
  } catch {
    return undefined;
  }
}
