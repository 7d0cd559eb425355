import { randomInt } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { ServiceUnavailable } from '../platform/errors.ts';
import { MOST_LOST, supersede } from './refresh-contract.ts';
import type {
  SessionProof,
  SessionRecord,
  SessionReference,
  SessionStore,
  SessionUse,
} from './session-store.ts';
import type { Subject } from './subject.ts';

/** Attempts at a change that others get ahead of. Each of those changed the session, so few of them are ever needed. */
export const MOST_ATTEMPTS = 20;

/**
 * Generations that a step-up skips at random, since a store may lose writes. Tokens are made of their generation, so without
 * it a token of the lost writes would be the very one that the prover gets now. 65,536 leave room for 100,000 step-ups of one
 * session in the 32 bits of a generation.
 */
const SKIPPED = 65_536;

/** Beyond every generation that a store may have lost: no token of the lost writes is current, or ahead. */
const nextGeneration = (generation: number): number => generation + 1 + MOST_LOST + randomInt(SKIPPED);

/**
 * Advances the session although no refresh token was presented: after a step-up (with its proof) or a credential change. No
 * token that was issued before can gain what the session has from now on. Make it the last thing of its transaction.
 * @param reference of a caller, with the generation of the access token, which is thereby seen
 * @returns null when there is no such session, or its account may not have tokens.
 * @throws {ServiceUnavailable} the session kept changing.
 */
export async function supersedeTokens(
  store: SessionStore,
  tx: EntityManager,
  reference: SessionReference & { readonly generation?: number | null },
  use: SessionUse,
  proof?: SessionProof,
): Promise<{ session: SessionRecord; subject: Subject } | null> {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const found = await store.look(tx, reference);
    if (!found) return null;
    const { generation, notes } = found.held;
    const seen = found.held.seen || reference.generation === generation;
    const to = nextGeneration(generation);
    const session = await store.write(tx, found, {
      notes: supersede(notes, { generation, to, seen }),
      advance: { to, use },
      ...(proof && { proof }),
    });
    if (session) return { session, subject: found.subject };
  }
  throw new ServiceUnavailable({ detail: 'the session kept changing' });
}
