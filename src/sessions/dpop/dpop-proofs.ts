import { createHash } from 'node:crypto';
import {
  calculateJwkThumbprint,
  decodeProtectedHeader,
  EmbeddedJWK,
  errors,
  type JWK,
  jwtVerify,
} from 'jose';
import type { Clock } from '../../platform/clock.ts';
import { InvalidDpopProof } from '../../platform/errors.ts';
import type { DpopProof } from '../../platform/request/index.ts';
import type { ReplayCache } from './replay-cache.ts';

/** Asymmetric algorithms only: never `none`, never a MAC (RFC 9449 section 4.3, item 5). */
export const DPOP_ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256'] as const;

/** Characters of a proof. A proof with an RSA key of 4096 bits has about 1,700. */
const MAX_LENGTH = 3_000;
/** Characters, base64url: an RSA modulus of 4096 bits and an exponent of 24 bits. Larger keys make a check slow. */
const MAX_MODULUS = 683;
const MAX_EXPONENT = 4;
/** Characters of `jti`. */
const MAX_ID = 256;
/** Seconds for which a proof is valid after it was made, and seconds by which a client's clock may be ahead. */
const LIFE = 60;
const AHEAD = 30;

/** The request that a proof must be for. */
export interface DpopTarget {
  readonly method: string;
  /** Path of the request, without the query. */
  readonly path: string;
}

/** Checks DPoP proofs (RFC 9449 section 4.3): that the sender of the request holds a private key. */
export class DpopProofs {
  constructor(
    private readonly clock: Clock,
    private readonly replays: ReplayCache,
    private readonly options: { readonly publicUrl: string },
  ) {}

  /**
   * Checks a proof, and uses it up: it works once.
   * @throws {InvalidDpopProof} with the reason.
   */
  async verify(proof: string, { method, path }: DpopTarget): Promise<DpopProof> {
    if (proof.length > MAX_LENGTH) throw invalid(`It is longer than ${MAX_LENGTH} characters.`);
    const { payload, jwk } = await verified(proof, new Date(this.clock.now()));
    const { jti, htm, htu, iat, ath } = payload;
    if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID) {
      throw invalid(`It needs jti, a text of at most ${MAX_ID} characters.`);
    }
    if (htm !== method) throw invalid(`htm must be ${method}.`);
    const target = new URL(path, this.options.publicUrl).href;
    if (typeof htu !== 'string' || withoutQuery(htu) !== target) throw invalid(`htu must be ${target}.`);
    const now = this.clock.now() / 1000;
    if (typeof iat !== 'number' || iat < now - LIFE || iat > now + AHEAD) {
      throw invalid(`iat must be the time now; a proof is good for ${LIFE} seconds.`);
    }
    if (ath !== undefined && typeof ath !== 'string') throw invalid('ath must be a text.');
    const thumbprint = await calculateJwkThumbprint(jwk, 'sha256');
    const id = createHash('sha256').update(`${thumbprint} ${jti}`).digest('base64url');
    // Remember the proof until it has expired by the clock of every process. A process may be ahead of this one by as
    // much as a client may.
    if (!(await this.replays.use(id, LIFE + 2 * AHEAD)))
      throw invalid('It was used before. Make a new one for each request.');
    return { thumbprint, accessTokenHash: ath ?? null };
  }
}

async function verified(proof: string, now: Date): Promise<{ payload: Record<string, unknown>; jwk: JWK }> {
  try {
    const { jwk } = decodeProtectedHeader(proof);
    if (jwk === undefined) throw invalid('Its header needs jwk, the public key.');
    if ((jwk.n?.length ?? 0) > MAX_MODULUS || (jwk.e?.length ?? 0) > MAX_EXPONENT) {
      throw invalid('An RSA key has at most 4096 bits, and the exponent AQAB.');
    }
    const { payload } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: [...DPOP_ALGORITHMS],
      // Makes jose check exp and nbf, which a client may add (RFC 7519 section 4.1). jose does not judge the age by
      // iat.
      currentDate: now,
      clockTolerance: AHEAD,
    });
    return { payload, jwk };
  } catch (error) {
    if (error instanceof InvalidDpopProof) throw error;
    if (error instanceof errors.JWTExpired)
      throw invalid('Its exp is over. Make a new one for each request.');
    if (error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException) {
      throw invalid(
        `It must be a JWT of typ dpop+jwt, signed by the key in its header with ${DPOP_ALGORITHMS.join(', ')}.`,
      );
    }
    throw error;
  }
}

/** RFC 9449 section 4.3, item 9: compare without query and fragment, after normalisation. */
function withoutQuery(uri: string): string | undefined {
  const url = URL.parse(uri);
  return url ? `${url.origin}${url.pathname}` : undefined;
}

const invalid = (what: string): InvalidDpopProof =>
  new InvalidDpopProof('invalid_dpop_proof', `The DPoP proof is not valid. ${what}`);
