import type { EntityManager } from '@mikro-orm/postgresql';
import type { Passwords } from '../passwords/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { InvalidCredentials, Unauthenticated } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type Caller, networkOf, type RequestOrigin } from '../platform/request/index.ts';
import { loadSubject, type SessionStore, type TokenPair, type TokenPairs } from '../sessions/index.ts';
import { lockActiveAccount } from './sign-in.ts';

export const REAUTHENTICATION_RULES = {
  'reauthenticate.address': { burst: 30, perSeconds: 60 },
  'reauthenticate.account': { burst: 10, perSeconds: 300 },
} as const;

/** The holder of a session proves again who they are (NIST SP 800-63B section 2, reauthentication). */
export class Reauthentication {
  constructor(
    private readonly passwords: Passwords,
    private readonly store: SessionStore,
    private readonly tokenPairs: TokenPairs,
    private readonly audit: AuditLog,
    private readonly rateLimiter: RateLimiter,
  ) {}

  /**
   * Raises the session's authentication time; the session keeps its id and gets a new generation of its refresh token.
   * @throws {InvalidCredentials} wrong password, or an account without one.
   */
  async byPassword(
    em: EntityManager,
    caller: Caller,
    claimed: string | null | undefined,
    origin: RequestOrigin,
  ): Promise<TokenPair> {
    const { password } = readFields('', {
      password: () => {
        if (claimed == null) throw new InvalidValue('The password is needed.');
        return this.passwords.parseClaimed(claimed);
      },
    });
    await this.rateLimiter.charge({
      'reauthenticate.address': networkOf(origin.clientAddress ?? ''),
      'reauthenticate.account': caller.userId,
    });
    const proof = await this.passwords.verify(em, await this.passwords.find(em, caller.userId), password);
    if (!proof) {
      await this.audit.record(em, origin, {
        action: 'session.reauthentication_failed',
        actorId: caller.userId,
        subjectId: caller.userId,
        outcome: AuditOutcome.FAILURE,
      });
      throw new InvalidCredentials('wrong password');
    }

    const raised = await em.transactional(async (tx) => {
      if (!(await lockActiveAccount(tx, caller.userId)) || !(await this.passwords.stillHolds(tx, proof)))
        throw new Unauthenticated('the account or its password changed meanwhile');
      const subject = await loadSubject(tx, caller.userId, caller.sessionId);
      await this.audit.record(tx, origin, {
        action: 'session.reauthenticated',
        actorId: caller.userId,
        subjectId: caller.userId,
        details: { sessionId: caller.sessionId, amr: ['pwd'] },
      });
      // Last: Redis does not take it back when the transaction is rolled back.
      const session = await this.store.stepUp(tx, caller, { amr: ['pwd'], aal: 1 });
      if (!session || !subject) throw new Unauthenticated('the session ended meanwhile');
      return { session, subject };
    });
    return this.tokenPairs.issue(raised.session, raised.subject);
  }
}
