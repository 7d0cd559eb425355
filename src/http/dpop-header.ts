import type { FastifyRequest } from 'fastify';
import type { DpopProof } from '../platform/request/index.ts';

/** Checks a proof, as sessions/dpop/dpop-proofs.ts does. */
export interface ProofVerification {
  verify(proof: string, target: { readonly method: string; readonly path: string }): Promise<DpopProof>;
}

/** The proof of each request with a valid one. */
const proofs = new WeakMap<object, DpopProof>();

/**
 * Checks the header DPoP (RFC 9449 section 4) before any work for the request. Node joins two such headers with a
 * comma, which a JWT never contains.
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
