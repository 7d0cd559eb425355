import type { EntityManager } from '@mikro-orm/postgresql';
import type { AuditLog } from '../platform/audit/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import { EmailNotConfirmed } from '../platform/errors.ts';
import type { RequestOrigin } from '../platform/request/index.ts';
import {
  type EndedSession,
  type Endings,
  loadSubject,
  type SessionStore,
  type TokenPair,
  type TokenPairs,
} from '../sessions/index.ts';

/** That somebody is who they say, by a first factor. */
export interface AuthenticationProof {
  readonly userId: string;
  /** Authentication methods (RFC 8176). */
  readonly amr: readonly string[];
  /** Authenticator assurance level that the methods reach together. */
  readonly aal: number;
  /** Locks what the proof rests on and tells whether it still does, inside the transaction that issues the session. */
  holds(tx: EntityManager): Promise<boolean>;
}

/**
 * The one place where a session is issued. Every way of signing in ends here, so that no way can skip a rule:
 * the account is active and the proof still holds, judged under locks in the transaction that writes the session.
 */
export class SignIn {
  constructor(
    private readonly store: SessionStore,
    private readonly endings: Endings,
    private readonly tokenPairs: TokenPairs,
    private readonly audit: AuditLog,
    private readonly options: {
      readonly sessionTtlSeconds: number;
      readonly emailConfirmation: 'optional' | 'required';
    },
  ) {}

  /**
   * @returns null when the account may not sign in, or the proof no longer holds.
   * @throws {EmailNotConfirmed} the proof is right, the address is not proved, and the operator demands that.
   */
  async complete(
    em: EntityManager,
    proof: AuthenticationProof,
    origin: RequestOrigin,
  ): Promise<TokenPair | null> {
    const { userId, amr, aal } = proof;
    const signedIn = await this.endings.transactional(em, async (tx) => {
      if (!(await lockActiveAccount(tx, userId)) || !(await proof.holds(tx))) return null;
      await this.requireConfirmedAddress(tx, userId);
      const { session, displaced } = await this.store.create(tx, {
        userId,
        amr,
        aal,
        userAgent: origin.userAgent,
        ipAddress: origin.clientAddress,
        ttlSeconds: this.options.sessionTtlSeconds,
      });
      await this.audit.record(tx, origin, {
        action: 'session.created',
        actorId: userId,
        subjectId: userId,
        details: { sessionId: session.id, amr },
      });
      await this.recordDisplaced(tx, displaced, origin);
      const subject = await loadSubject(tx, userId, session.id);
      return subject && { session, subject };
    });
    return signedIn && this.tokenPairs.issue(signedIn.session, signedIn.subject);
  }

  /** An account without any address has none to prove. */
  private async requireConfirmedAddress(tx: EntityManager, userId: string): Promise<void> {
    if (this.options.emailConfirmation === 'optional') return;
    const unproved = await statement(
      tx,
      sql`select from users where id = ${userId} and email is not null and email_confirmed_at is null`,
    );
    if (unproved.length > 0) throw new EmailNotConfirmed();
  }

  /** The oldest sessions, which the new one pushed over the limit for one account. */
  private async recordDisplaced(
    tx: EntityManager,
    displaced: readonly EndedSession[],
    origin: RequestOrigin,
  ): Promise<void> {
    for (const { id, userId } of displaced) {
      await this.audit.record(tx, origin, {
        action: 'session.displaced',
        actorId: userId,
        subjectId: userId,
        details: { sessionId: id },
      });
    }
  }
}

/**
 * A deactivation waits until the session is written, and then finds it; sign-ins of one account go one after the
 * other, so that they are counted right.
 */
export async function lockActiveAccount(tx: EntityManager, userId: string): Promise<boolean> {
  const rows = await statement(
    tx,
    sql`select from users where id = ${userId} and deactivated_by is null for no key update`,
  );
  return rows.length > 0;
}
