import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { canonicalise, textToSign } from '../../../src/blockpass/protocol/certificate.ts';
import {
  bitcoinKey,
  type Certificate,
  fieldHash,
  isGenuine,
  issueCertificate,
  MalformedCertificate,
  parseCertificate,
  readWalletImportFormat,
  speaksOf,
} from '../../../src/blockpass/protocol/index.ts';
import {
  BASE_URL,
  CERTIFICATE,
  CERTIFICATE_SLUG,
  COUNTERSIGNER_TEXT_HASH,
  FIELDS,
  ISSUER_TEXT,
  ISSUER_TEXT_HASH,
  ROOT,
  SCHEMA,
  SIGNERS,
} from './vectors.ts';

const sources = {
  schema: async () => SCHEMA,
  signer: async (hash: string) => SIGNERS[hash] ?? null,
  isIssuer: async (clientId: string, slug: string) =>
    clientId === 'developer_service' && slug === CERTIFICATE_SLUG,
};
const sha256 = (data: string) => createHash('sha256').update(data).digest();
const hashesOf = (fields: Record<string, Uint8Array>) =>
  new Map(Object.entries(fields).map(([slug, value]) => [slug, fieldHash(value)]));
const parse = (document: unknown) => parseCertificate(JSON.stringify(document), CERTIFICATE_SLUG, BASE_URL);
const genuine = (document: unknown) => isGenuine(parse(document), CERTIFICATE_SLUG, sources);
const [issuerSignature, countersignature] = CERTIFICATE.signature;

describe('the text that is signed', () => {
  it('equals the worked example, byte for byte', async () => {
    const quads = await canonicalise(parse(CERTIFICATE), SCHEMA);
    expect(textToSign(issuerSignature as never, quads)).toBe(ISSUER_TEXT);
    expect(sha256(ISSUER_TEXT).toString('hex')).toBe(ISSUER_TEXT_HASH);
    expect(sha256(textToSign(countersignature as never, quads)).toString('hex')).toBe(
      COUNTERSIGNER_TEXT_HASH,
    );
  });
});

describe('a certificate', () => {
  it('is genuine when issuer and countersigner have signed it', async () => {
    expect(await genuine(CERTIFICATE)).toBe(true);
    expect(await genuine({ ...CERTIFICATE, signature: issuerSignature })).toBe(true);
  });

  it('is not genuine when one letter of any signed value was changed', async () => {
    for (const part of ['Entity', 'Organization', 'Claim'] as const) {
      for (const [name, value] of Object.entries(CERTIFICATE[part])) {
        if (name === 'type') continue; // No signature covers it.
        const altered = {
          ...CERTIFICATE,
          [part]: { ...CERTIFICATE[part], [name]: `${value.slice(0, -1)}#` },
        };
        expect([name, await genuine(altered)]).toEqual([name, false]);
      }
    }
  });

  it('is not genuine when any byte of a signature, its time, nonce or creator was changed', async () => {
    const bytes = Buffer.from(issuerSignature?.signatureValue ?? '', 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] ?? 0) ^ 1;
      const signature = { ...issuerSignature, signatureValue: altered.toString('base64') };
      expect([at, await genuine({ ...CERTIFICATE, signature })]).toEqual([at, false]);
    }
    for (const change of [
      { created: '2018-06-10T09:30:02Z' },
      { nonce: 'x' },
      { creator: countersignature?.creator },
    ]) {
      expect(await genuine({ ...CERTIFICATE, signature: { ...issuerSignature, ...change } })).toBe(false);
    }
  });

  it('is not genuine without the signature of the issuer that it names', async () => {
    expect(await genuine({ ...CERTIFICATE, signature: countersignature })).toBe(false);
    expect(await genuine({ ...CERTIFICATE, signature: [] })).toBe(false);
    expect(await genuine({ ...CERTIFICATE, signature: undefined })).toBe(false);
  });

  it('is not genuine from an issuer that is registered for other kinds, even when another issuer countersigned it', async () => {
    const others = { ...sources, isIssuer: async () => false };
    expect(await isGenuine(parse(CERTIFICATE), CERTIFICATE_SLUG, others)).toBe(false);
  });

  it('is refused when it has a term that no signature covers, another context, or lacks a part', async () => {
    const extra = parse({ ...CERTIFICATE, Claim: { ...CERTIFICATE.Claim, level: 'gold' } });
    await expect(isGenuine(extra, CERTIFICATE_SLUG, sources)).rejects.toThrow(MalformedCertificate);
    const details = parse({
      ...CERTIFICATE,
      Claim: { ...CERTIFICATE.Claim, _customFields: { result: 'clear' } },
    });
    await expect(isGenuine(details, CERTIFICATE_SLUG, sources)).rejects.toThrow(MalformedCertificate);
    const contexts = [CERTIFICATE['@context'][0], 'https://elsewhere.test/', CERTIFICATE['@context'][2]];
    expect(() => parse({ ...CERTIFICATE, '@context': contexts })).toThrow(MalformedCertificate);
    expect(() => parse({ ...CERTIFICATE, Entity: 'all' })).toThrow(MalformedCertificate);
    expect(() => parse(JSON.parse(`${'{"a":'.repeat(60)}1${'}'.repeat(60)}`))).toThrow(MalformedCertificate);
    expect(() => parseCertificate('<html>', CERTIFICATE_SLUG, BASE_URL)).toThrow(MalformedCertificate);
  });

  it('is refused when it has JSON-LD keywords, whose meaning no signature covers, or more than a few values', () => {
    const nodes = (count: number) => Array.from({ length: count }, (_, index) => ({ '@id': `_:b${index}` }));
    for (const change of [
      { '@included': nodes(3) },
      { '@graph': nodes(3) },
      { Claim: { ...CERTIFICATE.Claim, '@index': 'consider' } },
      { Claim: { ...CERTIFICATE.Claim, '@context': { level: 'schema:text' }, level: 'gold' } },
      { Claim: { ...CERTIFICATE.Claim, _customFields: Array.from({ length: 12_000 }, (_, at) => `v${at}`) } },
    ]) {
      expect(() => parse({ ...CERTIFICATE, ...change })).toThrow(MalformedCertificate);
    }
  });

  describe('for a person whose values are known', () => {
    const { email, given_name, family_name } = FIELDS;
    const ada = { email, given_name, family_name };
    const said = (document: unknown, fields: Record<string, Uint8Array>) =>
      speaksOf(parse(document), hashesOf(fields));

    it('matches when the person has all its values, and mismatches when one of them differs', () => {
      expect(said(CERTIFICATE, ada)).toBe(true);
      expect(said(CERTIFICATE, { ...ada, selfie: FIELDS.selfie })).toBe(true);
      expect(said(CERTIFICATE, { ...ada, given_name: Buffer.from('Adb') })).toBe(false);
      expect(said(CERTIFICATE, { given_name: Buffer.from('Adb') })).toBe(false);
    });

    it('is undecided when it has none of the known values, or has unknown ones', () => {
      expect(said(CERTIFICATE, {})).toBeNull();
      expect(said(CERTIFICATE, { phone: FIELDS.phone })).toBeNull();
      expect(said(CERTIFICATE, { email, given_name })).toBeNull();
    });

    it('is undecided when a hash was moved to another name, although its signature is still valid', async () => {
      // A person with the same family name presents Ada's certificate.
      const namesake = { ...ada, email: Buffer.from('eve@example.test'), given_name: Buffer.from('Eve') };
      const { email: itsEmail, givenName, ...Entity } = CERTIFICATE.Entity;
      const { rootHash, ...rootless } = Entity;
      const { Claim, Organization } = CERTIFICATE;
      for (const change of [
        { Entity: { ...Entity, selfie: [itsEmail, givenName] } },
        { Entity, Claim: { ...Claim, reviewBody: [Claim.reviewBody, itsEmail, givenName] } },
        { Entity, Organization: { ...Organization, logo: [Organization.logo, itsEmail, givenName] } },
        { Entity, email: itsEmail, givenName },
        { Entity: { ...rootless, rootHash: [rootHash, itsEmail, givenName] } },
        { Entity: { ...rootless, rootHash: itsEmail, selfie: [rootHash, givenName] } },
      ]) {
        const moved = { ...CERTIFICATE, ...change };
        expect([change, await genuine(moved)]).toEqual([change, true]);
        expect([change, said(moved, namesake)]).toEqual([change, null]);
      }
    });
  });
});

describe('a certificate that the gateway issues', () => {
  const key = bitcoinKey(sha256('blockpass-fake-issuer-key'));
  const issue = (): Promise<Certificate> =>
    issueCertificate(
      {
        slug: CERTIFICATE_SLUG,
        baseUrl: BASE_URL,
        fields: hashesOf({
          email: FIELDS.email,
          given_name: FIELDS.given_name,
          family_name: FIELDS.family_name,
        }),
        rootHash: ROOT,
        organization: CERTIFICATE.Organization,
        review: { summary: 'all fields verified', details: 'level-1' },
      },
      key,
      SCHEMA,
      new Date('2018-06-10T09:30:00.000Z'),
    );

  it('has the content of the worked example for the same fields, and is genuine', async () => {
    const { signature: _, ...document } = await issue();
    const { signature: __, ...expected } = CERTIFICATE;
    expect(document).toEqual(expected);
    expect(await genuine(await issue())).toBe(true);
  });

  it('is signed by the key whose address is registered', () => {
    expect(key.address).toBe('1LiY67LCgzKDRNcBiNHUDBsVYprnN3NL44');
    // The compressed example of the Bitcoin wiki ("Wallet import format").
    const known = readWalletImportFormat('KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617');
    expect(known.address).toBe('1LoVGDgRs9hTfTNJNuXKSpywcbdvwRXpmK');
    expect(() => readWalletImportFormat('5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ')).toThrow(
      /compressed/,
    );
  });
});
