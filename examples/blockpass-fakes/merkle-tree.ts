import { createHash } from 'node:crypto';

/** SHA-256 in hex, the only hash of the protocol. Joined hashes are hashed as text. */
export const hash = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

export interface Step {
  parent: string;
  left: string;
  right: string;
}

/** The tree over a person's fields. An odd last node moves up unchanged and adds no step to its proof. */
export class MerkleTree {
  private readonly levels: string[][] = [];
  private readonly fields: ReadonlyMap<string, Uint8Array>;

  constructor(fields: ReadonlyMap<string, Uint8Array>) {
    this.fields = fields;
    let level = [...fields.values()].map((raw) => hash(hash(raw) + hash(raw)));
    this.levels.push(level);
    while (level.length > 1) {
      level = Array.from({ length: Math.ceil(level.length / 2) }, (_, index) => {
        const [left = '', right] = level.slice(index * 2, index * 2 + 2);
        return right === undefined ? left : hash(left + right);
      });
      this.levels.push(level);
    }
  }

  get root(): string {
    return this.levels.at(-1)?.[0] ?? hash('');
  }

  /** The steps from the leaf to the root; undefined for a field that the person has not filled in. */
  proof(slug: string): Step[] | undefined {
    let index = [...this.fields.keys()].indexOf(slug);
    if (index < 0) return undefined;
    const steps: Step[] = [];
    for (const [height, level] of this.levels.slice(0, -1).entries()) {
      const first = index - (index % 2);
      const [left, right] = level.slice(first, first + 2);
      index = first / 2;
      const parent = this.levels[height + 1]?.[index];
      if (left !== undefined && right !== undefined && parent !== undefined)
        steps.push({ parent, left, right });
    }
    return steps;
  }
}
