import { createHash } from 'node:crypto';
import type { EntityManager } from '@mikro-orm/postgresql';
import { type AuditLog, AuditOutcome } from '../../platform/audit/index.ts';
import { InvalidDpopProof, InvalidRefreshToken } from '../../platform/errors.ts';
import type { Caller, PresentedCredentials, RequestSource } from '../../platform/request/index.ts';
import type { RefreshTokenClaims } from '../refresh-token.ts';

/** Setting of DPoP. With `off`, proofs are ignored, so a session that is bound to a key cannot be used. */
export type DpopMode = 'off' | 'optional' | 'required';

/**
 * Binds sessions to keys of their clients (RFC 9449): a stolen token is useless without the key. A session is bound
 * when it is issued, for its whole life.
 */
export class KeyBinding {
  constructor(
    private readonly mode: DpopMode,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Returns the thumbprint of the key to which a new session of this request is bound, or null.
   * @throws {InvalidDpopProof} when a proof is required and the request has none.
   */
  keyOf({ dpopThumbprint = null }: RequestSource): string | null {
    if (dpopThumbprint === null && this.mode === 'required') {
      throw missing('Sessions are bound to a key here: send a DPoP proof with the sign-in (RFC 9449).');
    }
    return dpopThumbprint;
  }

  /** @throws {InvalidDpopProof} when the request does not prove the key that the caller's token is bound to. */
  requireKeyOf({ jkt }: Caller, token: string, { scheme, dpopProof }: PresentedCredentials): void {
    if (jkt === undefined) {
      if (this.mode === 'required') {
        throw new InvalidDpopProof(
          'invalid_token',
          'This access token is not bound to a key. Sign in with a DPoP proof.',
        );
      }
      if (scheme === 'dpop') {
        throw new InvalidDpopProof(
          'invalid_token',
          'This access token is not bound to a key. Send it as a Bearer token.',
        );
      }
      return;
    }
    if (scheme !== 'dpop' || !dpopProof) {
      throw missing(
        'This access token is bound to a key: send it as "Authorization: DPoP …", with a proof in the header DPoP.',
      );
    }
    if (dpopProof.thumbprint !== jkt) {
      throw new InvalidDpopProof(
        'invalid_token',
        'The DPoP proof is by another key than the access token is bound to.',
      );
    }
    if (dpopProof.accessTokenHash !== createHash('sha256').update(token).digest('base64url')) {
      throw missing('The DPoP proof needs ath, the SHA-256 of the access token that comes with it.');
    }
  }

  /**
   * Runs before the refresh token is consumed, so that the session lives on. A refresh token without its key was
   * copied, or its client is broken, so the failure is audited.
   * @throws {InvalidDpopProof} when no proof came, or a proof of another key.
   * @throws {InvalidRefreshToken} when the token must be bound to a key and is not.
   */
  async requireForRefresh(
    em: EntityManager,
    { userId, sessionId, jkt }: RefreshTokenClaims,
    source: RequestSource,
  ): Promise<void> {
    const { dpopThumbprint = null } = source;
    if (jkt == null) {
      if (this.mode === 'required') throw new InvalidRefreshToken('not bound to a key');
      return;
    }
    if (dpopThumbprint === jkt) return;
    await this.audit.record(em, source, {
      action: 'session.key_not_proved',
      actorId: null,
      subjectId: userId,
      outcome: AuditOutcome.FAILURE,
      details: { sessionId, anotherKey: dpopThumbprint !== null },
    });
    throw missing(
      dpopThumbprint === null
        ? 'This refresh token is bound to a key: send a DPoP proof in the header DPoP.'
        : 'The DPoP proof is by another key than the refresh token is bound to.',
    );
  }
}

const missing = (message: string): InvalidDpopProof => new InvalidDpopProof('invalid_dpop_proof', message);
