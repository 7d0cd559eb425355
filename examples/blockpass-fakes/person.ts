import { randomBytes } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';
import { MerkleTree } from './merkle-tree.ts';

/** A person with the Blockpass app, and the data that they typed into it. */
export class Person {
  readonly id = randomBytes(12).toString('hex');
  readonly fields = new Map<string, Uint8Array>();
  /** Certificates of other issuers about the person, by slug. */
  readonly certificates = new Map<string, string>();
  /** Whether the tree is still being written to the chain. */
  isSynching = false;

  readonly name: string;

  constructor(name: string, fields: Readonly<Record<string, string | Uint8Array>> = {}) {
    this.name = name;
    const [given = name, family = 'Example'] = name.split(' ');
    const slug = name.toLowerCase().replace(/\W+/g, '.');
    const phone = {
      countryCode: 'GBR',
      countryCode2: 'gb',
      phoneNumber: '+447700900123',
      number: '7700900123',
    };
    const address = {
      address: '12 St James Square',
      extraInfo: '',
      city: 'London',
      postalCode: 'SW1Y 4JH',
      country: 'GBR',
    };
    const defaults = {
      family_name: family,
      given_name: given,
      email: `${slug}@example.test`,
      phone: JSON.stringify(phone),
      address: JSON.stringify(address),
      dob: '12/10/1985',
      selfie: picture(),
      passport: picture(),
      proof_of_address: picture(),
    };
    for (const [slug, value] of Object.entries({ ...defaults, ...fields })) this.enter(slug, value);
  }

  enter(slug: string, value: string | Uint8Array): void {
    this.fields.set(slug, Buffer.from(value as string));
  }

  get tree(): MerkleTree {
    return new MerkleTree(this.fields);
  }
}

/** Fields that are sent as files. */
export const isPicture = (slug: string): boolean => ['selfie', 'passport', 'proof_of_address'].includes(slug);

/** Makes a random PNG, by default of 16 by 16 pixels. No two are alike. */
export function picture(width = 16, height = 16): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  // Each row begins with the number of its filter. The right part of a large picture is black, so that the file stays
  // small.
  const rows = Array.from({ length: height }, () => {
    const noise = randomBytes(Math.min(width, 64) * 3);
    return Buffer.concat([Buffer.from([0]), noise, Buffer.alloc(width * 3 - noise.length)]);
  });
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
