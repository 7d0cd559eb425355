import { describe, expect, it } from '@jest/globals';
import {
  fieldHash,
  isInTree as isHashInTree,
  type ProofStep,
} from '../../../src/blockpass/protocol/index.ts';
import { FAMILY_NAME_PROOF, FIELDS, ROOT } from './vectors.ts';

const isInTree = (raw: Uint8Array, proof: readonly ProofStep[], root: string) =>
  isHashInTree(fieldHash(raw), proof, root);

describe('a Merkle proof', () => {
  it('hashes the raw bytes that were uploaded', () => {
    expect(fieldHash(FIELDS.phone)).toBe('8029562a8ca643a7ba95473a94a6d954de11982aedc1259c0bed3ac2e69862a7');
    expect(fieldHash(FIELDS.selfie)).toBe('eb7e0381d519c6a257584ed4a69cf3ae4e4cfc7351cacb301ac646c0df5e8aca');
  });

  it('leads from a value to the root', () => {
    expect(isInTree(FIELDS.family_name, FAMILY_NAME_PROOF, ROOT)).toBe(true);
    expect(isInTree(FIELDS.selfie, FAMILY_NAME_PROOF.slice(2), ROOT)).toBe(true);
  });

  it('fails when any byte of value, steps or root was changed', () => {
    for (let at = 0; at < FIELDS.family_name.length; at++) {
      const altered = Buffer.from(FIELDS.family_name);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(isInTree(altered, FAMILY_NAME_PROOF, ROOT)).toBe(false);
    }
    for (const [index, step] of FAMILY_NAME_PROOF.entries()) {
      for (const side of ['left', 'right'] as const) {
        const altered = FAMILY_NAME_PROOF.with(index, { ...step, [side]: withOneDigitChanged(step[side]) });
        expect(isInTree(FIELDS.family_name, altered, ROOT)).toBe(false);
      }
    }
    expect(isInTree(FIELDS.family_name, FAMILY_NAME_PROOF, withOneDigitChanged(ROOT))).toBe(false);
  });

  it('fails when steps are missing, added or taken from another value', () => {
    expect(isInTree(FIELDS.family_name, [], ROOT)).toBe(false);
    expect(isInTree(FIELDS.family_name, FAMILY_NAME_PROOF.slice(1), ROOT)).toBe(false);
    expect(isInTree(FIELDS.email, FAMILY_NAME_PROOF, ROOT)).toBe(false);
    expect(isInTree(FIELDS.family_name, Array(40).fill(FAMILY_NAME_PROOF[0]), ROOT)).toBe(false);
  });
});

const withOneDigitChanged = (hex: string): string => hex.slice(0, -1) + (hex.endsWith('0') ? '1' : '0');
