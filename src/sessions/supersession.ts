import { randomInt } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { ServiceUnavailable } from '../platform/errors.ts';
import type { Caller } from '../platform/request/index.ts';
import { MOST_LOST, supersede } from './refresh-contract.ts';
import type {
  SessionProof,
  SessionRecord,
  SessionReference,
  SessionStore,
  SessionUse,
} from './session-store.ts';
import type { Subject } from './subject.ts';

/**
 * Attempts at a change when concurrent changes win. Each of those changed the session, so few attempts are ever needed.
 */
export const MOST_ATTEMPTS = 20;

/**
 * Size of the random skip of generations at a step-up. A store may lose writes, and a token is derived from its
 * generation. Without the skip, a token of the lost writes would be the same one that the user gets now. 65,536 leave
 * room for 100,000 step-ups of one session in the 32 bits of a generation.
 */
const SKIPPED = 65_536;

/** Beyond every generation that a store may have lost, so that no token of the lost writes is current or ahead. */
const nextGeneration = (generation: number): number => generation + 1 + MOST_LOST + randomInt(SKIPPED);

/** The session that an access token names, and the strength in its claims. */
export type TokenStrength = SessionReference &
  Pick<Caller, 'amr' | 'aal' | 'authenticatedAt'> & { readonly generation?: number | null };

/**
 * `gone`: the session does not exist, or its account may not have tokens. `stronger`: the session is stronger than the
 * token, and nothing changed.
 */
export type Supersession =
  | { readonly session: SessionRecord; readonly subject: Subject }
  | 'gone'
  | 'stronger';

/**
 * Advances the session although no refresh token was presented: after a step-up (with its proof) or a credential
 * change. A token that was issued before cannot gain the new strength. Call this last in the transaction.
 *
 * The access token may be older than a step-up by another client. So a proof adds to the strength of the token, not to
 * that of the session. A session that is still stronger stays unchanged: otherwise the caller would get the strength
 * that another client proved.
 * @param caller identified by the access token, which counts as seen
 * @throws {ServiceUnavailable} when the session kept changing.
 */
export async function supersedeTokens(
  store: SessionStore,
  tx: EntityManager,
  caller: TokenStrength,
  { use, proof }: { readonly use: SessionUse; readonly proof?: SessionProof | undefined },
): Promise<Supersession> {
  const strength = proof && added(caller, proof);
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const found = await store.look(tx, caller);
    if (!found) return 'gone';
    if (isStronger(found.session, caller, strength)) return 'stronger';
    const { generation, notes } = found.held;
    const seen = found.held.seen || caller.generation === generation;
    const to = nextGeneration(generation);
    const session = await store.write(tx, found, {
      notes: supersede(notes, { generation, to, seen }),
      advance: { to, use },
      ...(strength && { proof: strength }),
    });
    if (session) return { session, subject: found.subject };
  }
  throw new ServiceUnavailable({ detail: 'the session kept changing' });
}

/**
 * Whether the session is stronger than the caller. A proof makes up for time and methods, and for the level if it
 * proves that level. `auth_time` is in whole seconds.
 */
const isStronger = (
  { aal, amr, authenticatedAt }: SessionRecord,
  caller: TokenStrength,
  proved: SessionProof | undefined,
): boolean =>
  proved
    ? aal > proved.aal
    : aal > caller.aal ||
      Math.floor(authenticatedAt.getTime() / 1000) > caller.authenticatedAt ||
      amr.some((method) => !caller.amr.includes(method));

const added = ({ amr, aal }: TokenStrength, proof: SessionProof): SessionProof => ({
  amr: [...new Set([...amr, ...proof.amr])].sort(),
  aal: Math.max(aal, proof.aal),
});
