import { fieldHash } from './field-hash.ts';

/** One step from a leaf to the root. The protocol also sends `parent`, which can be computed. */
export interface ProofStep {
  readonly left: string;
  readonly right: string;
}

/** Maximum number of steps, for a tree of 2^32 leaves. */
const MAX_STEPS = 32;

/**
 * Whether a value is in a person's Merkle tree.
 * @param rawHash `fieldHash` of the value as the person uploaded it
 *
 * A proof does not bind the name of the field. Siblings share one path, so a value can be proved under the slug of its
 * sibling. It proves only that the value is in the tree.
 */
export function isInTree(rawHash: string, proof: readonly ProofStep[], rootHash: string): boolean {
  if (proof.length > MAX_STEPS) return false;
  let reached = fieldHash(rawHash + rawHash);
  for (const { left, right } of proof) {
    if (reached !== left && reached !== right) return false;
    reached = fieldHash(left + right);
  }
  return reached === rootHash;
}
