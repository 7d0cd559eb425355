import type { EntityManager } from '@mikro-orm/postgresql';
import type { Caller, RequestContext } from '../platform/request/index.ts';
import type { SessionProof, SessionRecord, SessionStore } from './session-store.ts';
import type { Subject } from './subject.ts';
import { supersedeTokens } from './supersession.ts';
import type { TokenCookies } from './token-cookies.ts';
import type { TokenPair, TokenPairs } from './token-pair.ts';

/** How new tokens can reach the caller of an operation: in the reply as well, or by cookie alone. */
export type ReplyForm = 'tokens' | 'cookies';

/** Makes the renewal of a session whose user changes a credential. */
export class SessionRenewals {
  constructor(
    private readonly store: SessionStore,
    private readonly tokenPairs: TokenPairs,
    private readonly cookies: TokenCookies,
    private readonly options: { readonly deliversCookies: boolean },
  ) {}

  /** Makes the renewal for one operation of one caller. */
  of(context: RequestContext, caller: Caller, reply: ReplyForm): SessionRenewal {
    const { deliversCookies } = this.options;
    const cookies = deliversCookies ? this.cookies : null;
    const cameByCookie = context.credentials.bearer === undefined;
    const reachable = reply === 'tokens' || (cookies !== null && cameByCookie);
    return new SessionRenewal(this.store, this.tokenPairs, cookies, { context, caller, reachable });
  }
}

/**
 * Gives new tokens to the session in which a credential is changed. Tokens that were issued before can no longer
 * refresh the session.
 * Two sessions are left unchanged. The session of a bearer whose reply cannot carry tokens would lose its only token,
 * and that token gains nothing by the change. A session that is stronger than the caller's access token was raised by
 * another client since.
 */
export class SessionRenewal {
  private renewed: { session: SessionRecord; subject: Subject } | null = null;

  constructor(
    private readonly store: SessionStore,
    private readonly tokenPairs: TokenPairs,
    private readonly cookies: TokenCookies | null,
    private readonly of: {
      readonly context: RequestContext;
      readonly caller: Caller;
      readonly reachable: boolean;
    },
  ) {}

  /**
   * Rotates the session. Call it last in the transaction of the change: a rollback does not undo a write to Redis.
   * @param proof an authentication that the change proved as well, which raises the session
   * @returns false when the session no longer exists.
   */
  async rotate(tx: EntityManager, proof?: SessionProof): Promise<boolean> {
    const { context, caller, reachable } = this.of;
    if (!reachable) return true;
    const { userAgent, clientIp: ipAddress } = context.source;
    const outcome = await supersedeTokens(this.store, tx, caller, { use: { userAgent, ipAddress }, proof });
    if (typeof outcome !== 'string') this.renewed = outcome;
    return outcome !== 'gone';
  }

  /**
   * Sets the cookies, after the commit.
   * @returns the new tokens for the reply; null where nothing was rotated.
   */
  async deliver(): Promise<TokenPair | null> {
    if (!this.renewed) return null;
    const { session, subject } = this.renewed;
    const pair = await this.tokenPairs.issue(session, subject);
    this.cookies?.set(this.of.context, pair);
    return pair;
  }
}
