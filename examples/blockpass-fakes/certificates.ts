import { createHash } from 'node:crypto';
import securityContext from '@digitalbazaar/security-context';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { createBase58check } from '@scure/base';
import jsonld from 'jsonld';
import { hash } from './merkle-tree.ts';

/** The only published schema maps every term to the same IRI, nested under its group. */
const TERMS = {
  Entity: `address dob email familyName givenName passport phone proofOfAddress rootHash selfie`,
  Organization: 'identifier legalName logo url',
  Claim: '_customFields issueDate reviewBody',
};

export const schema = {
  '@context': {
    '@version': 1.1,
    ...Object.fromEntries(Object.keys(TERMS).map((group) => [group, '@nest'])),
    ...Object.fromEntries(
      Object.entries(TERMS).flatMap(([group, names]) =>
        names.split(' ').map((name) => [name, { '@id': 'schema:text', '@nest': group }]),
      ),
    ),
  },
};

export interface Signature {
  type: string;
  created: string;
  creator: string;
  nonce?: string;
  signatureValue: string;
}
export type CertificateDocument = Record<string, unknown> & { signature?: Signature | Signature[] };

const base58check = createBase58check(sha256);
const addressOf = (publicKey: Uint8Array) =>
  base58check.encode(Uint8Array.of(0, ...ripemd160(sha256(publicKey))));

/** A throw-away key, derived from a phrase. */
export class SigningKey {
  private readonly privateKey: Uint8Array;

  constructor(phrase: string) {
    this.privateKey = createHash('sha256').update(phrase).digest();
  }

  get address(): string {
    return addressOf(secp256k1.getPublicKey(this.privateKey, true));
  }

  /** The private key in the form in which services are configured. */
  get walletImportFormat(): string {
    return base58check.encode(Uint8Array.of(0x80, ...this.privateKey, 0x01));
  }

  async sign(document: CertificateDocument, created: string, nonce?: string): Promise<Signature> {
    const message = frame(await textToSign(document, created, nonce));
    const [recovery = 0, ...compact] = secp256k1.sign(message, this.privateKey, { format: 'recovered' });
    return {
      type: 'EcdsaKoblitzSignature2016',
      created,
      creator: `/${hash(this.address)}`,
      ...(nonce !== undefined && { nonce }),
      signatureValue: Buffer.from([31 + recovery, ...compact]).toString('base64'),
    };
  }
}

/** Whether the holder of the address made the signature. */
export async function verify(
  document: CertificateDocument,
  signature: Signature,
  address: string,
): Promise<boolean> {
  const bytes = Buffer.from(signature.signatureValue, 'base64');
  const message = frame(await textToSign(document, signature.created, signature.nonce));
  const recovered = Uint8Array.of((bytes[0] ?? 0) - 31, ...bytes.subarray(1));
  return addressOf(secp256k1.recoverPublicKey(recovered, message)) === address;
}

async function textToSign(
  { signature: _, ...document }: CertificateDocument,
  created: string,
  nonce?: string,
) {
  const documentLoader = async (url: string) => ({
    documentUrl: url,
    document: url.includes('/api/schema/') ? schema : securityContext.contexts.get(url),
  });
  const quads = await jsonld.canonize(document as never, { safe: false, documentLoader } as never);
  const second = nonce === undefined ? '' : `https://w3id.org/security#nonce: ${nonce}\n`;
  return `http://purl.org/dc/elements/1.1/created: ${created}\n${second}${quads}`;
}

/** Frames the text as a Bitcoin signed message. The curve library hashes it once more. */
function frame(text: string): Uint8Array {
  const bytes = Buffer.from(text);
  const length = bytes.length < 0xfd ? [bytes.length] : [0xfd, bytes.length & 0xff, bytes.length >> 8];
  const magic = Buffer.from('\x18Bitcoin Signed Message:\n', 'latin1');
  return createHash('sha256').update(magic).update(Buffer.from(length)).update(bytes).digest();
}
