import type { FastifyRequest } from 'fastify';
import type { DpopProof } from '../platform/request/index.ts';

/** Checks a proof; sessions/dpop/dpop-proofs.ts. */
export interface ProofVerification {
  verify(proof: string, target: { readonly method: string; readonly path: string }): Promise<DpopProof>;
}

/** The proof of each request that brought a good one. */
const proofs = new WeakMap<object, DpopProof>();

/**
 * Checks the header DPoP (RFC 9449 section 4) before anything is done for the request. Node joins two such headers with a
 * comma, which no JWT has.
 * @throws {InvalidDpopProof}
 */
export function dpopHeader(verification: ProofVerification) {
  return async (request: FastifyRequest): Promise<void> => {
    const { dpop } = request.headers;
    if (dpop === undefined) return;
    const path = request.url.split('?')[0] ?? '';
    proofs.set(request.raw, await verification.verify(String(dpop), { method: request.method, path }));
  };
}

export const proofOf = (request: FastifyRequest): DpopProof | null => proofs.get(request.raw) ?? null;
