import type { SecretBox } from '../../platform/secret-box.ts';
import type { TokenSet } from '../api/index.ts';
import type { KycItemKind } from './kyc-item.entity.ts';

/** The record, kind and slug of an item. */
export interface ItemPlace {
  readonly recordId: string;
  readonly kind: KycItemKind;
  readonly slug: string;
}

/** Hashes of an item in lower-case hexadecimal: of the stored content, and of the bytes from which it was made. */
export interface ReceivedHash {
  readonly contentHash: string;
  readonly receivedHash: string;
}

/**
 * Seals the data of records. Sealed data is bound to its record and item. So an attacker who can write to the database
 * cannot use one person's passport for another.
 */
export class KycVault {
  constructor(private readonly box: SecretBox) {}

  sealContent(place: ItemPlace, content: Uint8Array): Buffer {
    return this.box.seal(purposeOf('content', place), content);
  }

  openContent(place: ItemPlace, sealed: Buffer): Buffer {
    return this.box.open(purposeOf('content', place), sealed);
  }

  sealReceivedHash(place: ItemPlace, { contentHash, receivedHash }: ReceivedHash): Buffer {
    return this.box.seal(purposeOf('received hash', place), Buffer.from(contentHash + receivedHash, 'hex'));
  }

  openReceivedHash(place: ItemPlace, sealed: Buffer | null): ReceivedHash | null {
    if (!sealed) return null;
    const hashes = this.box.open(purposeOf('received hash', place), sealed).toString('hex');
    return { contentHash: hashes.slice(0, 64), receivedHash: hashes.slice(64) };
  }

  sealComment(place: ItemPlace, comment: string): Buffer {
    return this.box.seal(purposeOf('comment', place), Buffer.from(comment));
  }

  openComment(place: ItemPlace, sealed: Buffer | null): string | null {
    return sealed && this.box.open(purposeOf('comment', place), sealed).toString('utf8');
  }

  sealMessage(recordId: string, message: string): Buffer {
    return this.box.seal(`kyc message ${recordId}`, Buffer.from(message));
  }

  openMessage(recordId: string, sealed: Buffer | null): string | null {
    return sealed && this.box.open(`kyc message ${recordId}`, sealed).toString('utf8');
  }

  sealRootHash(recordId: string, rootHash: string): Buffer {
    return this.box.seal(`kyc root ${recordId}`, Buffer.from(rootHash));
  }

  openRootHash(recordId: string, sealed: Buffer | null): string | null {
    return sealed && this.box.open(`kyc root ${recordId}`, sealed).toString('utf8');
  }

  /** Bound to the person and not to the record, because an upload token carries them before the record exists. */
  sealTokens(blockpassId: string, tokens: TokenSet): Buffer {
    return this.box.seal(`blockpass tokens ${blockpassId}`, Buffer.from(JSON.stringify(tokens)));
  }

  openTokens(blockpassId: string, sealed: Buffer): TokenSet {
    return JSON.parse(this.box.open(`blockpass tokens ${blockpassId}`, sealed).toString('utf8')) as TokenSet;
  }
}

const purposeOf = (what: string, { recordId, kind, slug }: ItemPlace): string =>
  `kyc ${what} ${recordId} ${kind} ${slug}`;
