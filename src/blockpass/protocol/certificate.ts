import { type BitcoinKey, isSignedBy, signMessage } from './bitcoin-message.ts';
import { certificateTerm } from './catalogue.ts';
import { fieldHash } from './field-hash.ts';

const SIGNATURE_TYPE = 'EcdsaKoblitzSignature2016';
/** `Entity.type` of every certificate. */
const SUBJECT_TYPE = 'person';
const SECURITY_CONTEXT = 'https://w3id.org/security/v2';
/** Maximum number of signatures. A countersigned certificate has two. */
const MAX_SIGNATURES = 4;
/** Maximum number of levels of objects within objects. Certificates of screening services have five. */
const MAX_DEPTH = 12;
/**
 * Maximum number of values of a certificate. One from a screening service has about 100. Canonicalisation takes time by their
 * square: 12,000 take two seconds.
 */
const MAX_VALUES = 1_000;

/** A certificate in transit: a JSON-LD document. */
export interface Certificate {
  readonly '@context': readonly [{ readonly '@version': 1.1 }, string, string];
  readonly Entity: Readonly<Record<string, string>>;
  readonly Organization: { readonly identifier: string } & Readonly<Record<string, unknown>>;
  readonly Claim: Readonly<Record<string, unknown>>;
  readonly signature?: CertificateSignature | readonly CertificateSignature[];
}

export interface CertificateSignature {
  readonly type: string;
  /** UTC, whole seconds. */
  readonly created: string;
  /** `/` followed by the SHA-256 of the signer's Bitcoin address. */
  readonly creator: string;
  readonly domain?: string;
  readonly nonce?: string;
  readonly signatureValue: string;
}

/** The URL of the schema of a certificate in one Blockpass installation. */
export const schemaUrl = (baseUrl: string, slug: string): string => `${baseUrl}/api/schema/${slug}`;

/** The facts that a verifier looks up at Blockpass. */
export interface CertificateSources {
  /** The JSON-LD context document of a kind of certificate. */
  schema(slug: string): Promise<object>;
  /** The signer of an address hash; null for an unknown one. */
  signer(creatorHash: string): Promise<{ address: string; clientId: string } | null>;
  /** Whether a service issues this kind of certificate. */
  isIssuer(clientId: string, slug: string): Promise<boolean>;
}

/** The document is not a certificate, or readers could understand it in different ways. */
export class MalformedCertificate extends Error {}

/**
 * Parses a certificate.
 * @param text as it was uploaded
 * @throws {MalformedCertificate} when it is not a certificate of this kind. The contexts are checked before the
 *   document is read, because an unknown context could give its words any meaning.
 */
export function parseCertificate(text: string, slug: string, baseUrl: string): Certificate {
  const document = parseJson(text);
  const { '@context': contexts, Entity, Organization, Claim } = document;
  const wanted = JSON.stringify(contextsOf(slug, baseUrl));
  if (JSON.stringify(contexts) !== wanted)
    throw new MalformedCertificate('its @context is not the one of its kind');
  if (!isRecord(Entity) || !isRecord(Organization) || !isRecord(Claim)) {
    throw new MalformedCertificate('Entity, Organization or Claim is missing');
  }
  if (typeof Organization.identifier !== 'string') throw new MalformedCertificate('the issuer is not named');
  const { '@context': _, ...words } = document;
  assertPlain(words);
  return document as unknown as Certificate;
}

/**
 * Parses a certificate of the old format (slug `onfido`, deprecated in 2018). Such certificates are not signed. Each
 * field has one hash under its plain slug, beside `@type` "Person".
 * @param text as it was uploaded
 * @returns the document; null for another format, such as a current certificate without its signature.
 */
export function parseOldCertificate(text: string): Readonly<Record<string, unknown>> | null {
  const document = parseJson(text);
  const isOld = document['@type'] === 'Person' && !('@context' in document) && !('signature' in document);
  return isOld ? document : null;
}

/**
 * Whether every signature is valid, and one of them is from the named issuer, who issues this kind. The issuer is
 * checked because Blockpass knows a key for every registered service.
 *
 * With the only published schema, a signature covers the values of a certificate but not their names. So compare its
 * hashes with the values of the person too (`speaksOf`).
 */
export async function isGenuine(
  certificate: Certificate,
  slug: string,
  sources: CertificateSources,
): Promise<boolean> {
  const signatures = [certificate.signature ?? []].flat();
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) return false;
  const quads = await canonicalise(certificate, await sources.schema(slug));
  const signers: string[] = [];
  for (const signature of signatures) {
    const creatorHash = /^\/([0-9a-f]{64})$/.exec(String(signature.creator))?.[1];
    if (signature.type !== SIGNATURE_TYPE || creatorHash === undefined) return false;
    const signer = await sources.signer(creatorHash);
    if (!signer || fieldHash(signer.address) !== creatorHash) return false;
    if (!isSignedBy(signer.address, textToSign(signature, quads), String(signature.signatureValue)))
      return false;
    signers.push(signer.clientId);
  }
  const { identifier } = certificate.Organization;
  return signers.includes(identifier) && (await sources.isIssuer(identifier, slug));
}

/**
 * Whether a certificate is about a person, by known values of their fields. False when it has another hash for one of
 * these fields. Null when it has none of them, or other hashes besides.
 *
 * The only published schema gives every name the same IRI. So a signature covers the hashes, but not their names. A
 * person with a certificate about another person could move revealing hashes to names that are not checked, in `Claim`
 * too. So every hash in the certificate must be explained. It is the hash of a known value under its own name, or the
 * root hash of the tree. The root hash changes with every field and proves nothing later.
 * @param fields `fieldHash` of each value by slug
 */
export function speaksOf(certificate: Certificate, fields: ReadonlyMap<string, string>): boolean | null {
  const { '@context': _, signature: __, ...words } = certificate;
  const unexplained = new Set<unknown>(JSON.stringify(words).match(/(?<=")[0-9a-f]{64}(?=")/g));
  unexplained.delete(certificate.Entity.rootHash);
  let own = 0;
  for (const [slug, rawHash] of fields) {
    const hash = certificate.Entity[certificateTerm(slug)];
    if (hash === undefined) continue;
    if (hash !== rawHash) return false;
    unexplained.delete(hash);
    own += 1;
  }
  return own > 0 && unexplained.size === 0 ? true : null;
}

export interface CertificateFacts {
  readonly slug: string;
  readonly baseUrl: string;
  /** `fieldHash` by slug of the values as the person uploaded them. */
  readonly fields: ReadonlyMap<string, string>;
  readonly rootHash: string;
  readonly organization: Certificate['Organization'];
  readonly review: { readonly summary: string; readonly details: string };
}

/** Makes a certificate about a person and signs it. */
export async function issueCertificate(
  facts: CertificateFacts,
  key: BitcoinKey,
  schema: object,
  now: Date,
): Promise<Certificate> {
  const hashes = [...facts.fields].map(([slug, rawHash]) => [certificateTerm(slug), rawHash] as const);
  const certificate: Certificate = {
    '@context': contextsOf(facts.slug, facts.baseUrl),
    Entity: { ...Object.fromEntries(hashes), rootHash: fieldHash(facts.rootHash), type: SUBJECT_TYPE },
    Organization: facts.organization,
    Claim: {
      issueDate: now.toISOString(),
      reviewBody: facts.review.summary,
      _customFields: facts.review.details,
    },
  };
  const created = now.toISOString().replace(/\.\d{3}Z$/, 'Z');
  const signatureValue = signMessage(key, textToSign({ created }, await canonicalise(certificate, schema)));
  return {
    ...certificate,
    signature: { type: SIGNATURE_TYPE, created, creator: `/${fieldHash(key.address)}`, signatureValue },
  };
}

/**
 * The text to sign: header lines in the order of their keys, then the document (jsonld-signatures 2.3, legacy suite).
 */
export function textToSign(
  { created, domain, nonce }: Pick<CertificateSignature, 'created' | 'domain' | 'nonce'>,
  quads: string,
): string {
  const headers = {
    'http://purl.org/dc/elements/1.1/created': created,
    'https://w3id.org/security#domain': domain,
    'https://w3id.org/security#nonce': nonce,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) => (value ? [`${name}: ${value}\n`] : []));
  return lines.join('') + quads;
}

/**
 * The document without its signatures as N-Quads in canonical order (URDNA2015, today RDFC-1.0).
 * @throws {MalformedCertificate} a word of the document is not in the schema, so no signature would cover it.
 */
export async function canonicalise(certificate: Certificate, schema: object): Promise<string> {
  // Loaded with the first certificate: its HTTP client alone takes longer than the rest of this capability.
  const [{ default: jsonld }, { default: securityContext }] = await Promise.all([
    import('jsonld'),
    import('@digitalbazaar/security-context'),
  ]);
  const { signature: _, ...document } = certificate;
  const schemaAt = certificate['@context'][1];
  const options = {
    // The safe mode would refuse the type of `Entity`, which is a relative reference. The signed text has always left
    // it out.
    safe: false,
    eventHandler: ({ event }: { event: { code: string; details: Record<string, unknown> } }) => {
      if (event.code === 'relative @type reference' && event.details.type === SUBJECT_TYPE) return;
      if (event.code === 'relative object reference' && event.details.object === SUBJECT_TYPE) return;
      const word = event.details.property ?? '';
      throw new MalformedCertificate(`it cannot be signed as it stands: ${event.code} ${word}`.trim());
    },
    documentLoader: async (url: string) => {
      const context = url === schemaAt ? schema : securityContext.contexts.get(url);
      if (!context) throw new MalformedCertificate('it refers to another document');
      return { contextUrl: undefined, documentUrl: url, document: context };
    },
  };
  try {
    // The type declarations of jsonld are for an older version.
    return (await jsonld.canonize(document as never, options as never)) as unknown as string;
  } catch (error) {
    throw error instanceof MalformedCertificate ? error : new MalformedCertificate('it is not valid JSON-LD');
  }
}

const contextsOf = (slug: string, baseUrl: string): Certificate['@context'] => [
  { '@version': 1.1 },
  schemaUrl(baseUrl, slug),
  SECURITY_CONTEXT,
];

function parseJson(text: string): Record<string, unknown> {
  try {
    const document: unknown = JSON.parse(text);
    if (isRecord(document)) return document;
  } catch {
    // Falls through, because the error must not quote the input.
  }
  throw new MalformedCertificate('it is not a JSON object');
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Refuses documents that are too large, and words of JSON-LD itself (`@graph`, `@included`, `@index`). With these words
 * a document could contain statements that no signature covers, or that take very long to canonicalise.
 * @throws {MalformedCertificate}
 */
function assertPlain(document: object): void {
  let layer: unknown[] = [document];
  let values = 0;
  for (let depth = 0; layer.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new MalformedCertificate('it is nested too deeply');
    const objects = layer.filter((value) => typeof value === 'object' && value !== null);
    if (objects.flatMap(Object.keys).some((key) => key.startsWith('@'))) {
      throw new MalformedCertificate('it contains words of JSON-LD');
    }
    layer = objects.flatMap((value): unknown[] => Object.values(value as object));
    values += layer.length;
    if (values > MAX_VALUES) throw new MalformedCertificate('it has too many values');
  }
}
