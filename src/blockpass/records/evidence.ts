import { type BlockpassApi, BlockpassAway, BlockpassRefused } from '../api/index.ts';
import {
  isGenuine,
  isInTree,
  MalformedCertificate,
  parseCertificate,
  parseOldCertificate,
  speaksOf,
} from '../protocol/index.ts';
import type { PersonCalls } from './person-calls.ts';

/** Whether Blockpass vouches for an item; null when it was not asked, or does not know yet. */
export type Verdict = boolean | null;

export interface FieldEvidence {
  /** The root of the person's tree at the time of the call; null when unknown. */
  readonly rootHash: string | null;
  /** Verdicts by slug. Fields of which nothing is known are absent. */
  readonly verdicts: ReadonlyMap<string, boolean>;
}

/** Compares a person's uploads with what Blockpass knows. */
export class Evidence {
  constructor(
    private readonly api: BlockpassApi,
    private readonly options: { readonly baseUrl: string },
  ) {}

  /**
   * Whether the values are in the person's Merkle tree.
   * @param fields `fieldHash` of each value by slug
   * @throws {BlockpassAway} Blockpass could not be asked.
   * @throws {PersonMustReturn} Blockpass refuses the tokens of the person.
   */
  async ofFields(person: PersonCalls, fields: ReadonlyMap<string, string>): Promise<FieldEvidence> {
    const profile = await unlessRefused(() => person.ask((tokens) => this.api.profile(tokens)));
    const rootHash = profile?.rootHash ?? null;
    if (!profile || rootHash === null || profile.isSynching || fields.size === 0) {
      return { rootHash, verdicts: new Map() };
    }
    const slugs = [...fields.keys()];
    const proofs = await unlessRefused(() => person.ask((tokens) => this.api.proofs(tokens, slugs)));
    if (!proofs) return { rootHash, verdicts: new Map() };
    const verdicts = [...fields].map(([slug, rawHash]) => {
      const proof = proofs.get(slug);
      return [slug, proof !== undefined && isInTree(rawHash, proof, rootHash)] as const;
    });
    return { rootHash, verdicts: new Map(verdicts) };
  }

  /**
   * Whether a certificate is genuine and about the person. Null while Blockpass is unavailable: then a reviewer may
   * decide.
   * @param fields `fieldHash` by slug of values that Blockpass has verified as the person's. With unverified uploads, a
   *   certificate about any person could match.
   */
  async ofCertificate(slug: string, text: string, fields: ReadonlyMap<string, string>): Promise<Verdict> {
    try {
      const old = parseOldCertificate(text);
      // It has no signature, so its author is unknown. Only another hash for a value of the person refutes it.
      if (old) return contradicts(old, fields) ? false : null;
      const certificate = parseCertificate(text, slug, this.options.baseUrl);
      const isTheirs = speaksOf(certificate, fields);
      if (isTheirs === false) return false;
      return (await unlessRefused(() => isGenuine(certificate, slug, this.api))) && isTheirs;
    } catch (error) {
      if (error instanceof MalformedCertificate) return false;
      if (error instanceof BlockpassAway) return null;
      throw error;
    }
  }
}

const contradicts = (
  certificate: Readonly<Record<string, unknown>>,
  fields: ReadonlyMap<string, string>,
): boolean =>
  [...fields].some(([slug, hash]) => Object.hasOwn(certificate, slug) && certificate[slug] !== hash);

/** @returns null when Blockpass refuses the call. */
async function unlessRefused<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof BlockpassRefused) return null;
    throw error;
  }
}
