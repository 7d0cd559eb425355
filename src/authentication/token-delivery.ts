import { Extensions } from 'type-graphql';
import type { DeviceCookie } from '../devices/index.ts';
import type { RequestContext } from '../platform/request/index.ts';
import { SessionType, type TokenCookies, type TokenPair } from '../sessions/index.ts';
import {
  AccountLinkRequired,
  Authenticated,
  type LoginResult,
  SecondFactor,
  SecondFactorRequired,
} from './authentication.types.ts';
import type { LoginOutcome } from './sign-in.ts';

/** Marks fields that issue a session. A document has at most one of them (graphql/one-session-per-document.ts). */
export const issuesSession = Extensions({ issuesSession: true });

export interface TokenDeliveryOptions {
  readonly cookies: boolean;
  readonly body: boolean;
}

/** Builds the reply to a sign-in, and delivers tokens in cookies, in the reply or in both. */
export class TokenDelivery {
  constructor(
    private readonly cookies: TokenCookies,
    private readonly deviceCookie: DeviceCookie,
    private readonly options: TokenDeliveryOptions,
  ) {}

  /** Answers any sign-in. */
  answer(context: RequestContext, outcome: LoginOutcome): typeof LoginResult {
    if (outcome.kind === 'authenticated') return this.deliver(context, outcome.pair);
    const { token: challenge, expiresAt } = outcome.challenge;
    if (outcome.kind === 'accountLinkRequired') {
      return Object.assign(new AccountLinkRequired(), { challenge, expiresAt });
    }
    return Object.assign(new SecondFactorRequired(), {
      challenge,
      factors: [SecondFactor.TOTP, SecondFactor.RECOVERY_CODE],
      expiresAt,
    });
  }

  deliver(context: RequestContext, pair: TokenPair): Authenticated {
    if (this.options.cookies) this.cookies.set(context, pair);
    if (pair.deviceMark !== undefined) this.deviceCookie.set(context, pair.deviceMark);
    return this.inReply(pair);
  }

  /** Builds the reply for tokens whose cookies are set already. */
  inReply(pair: TokenPair): Authenticated {
    return Object.assign(new Authenticated(), {
      accessToken: this.options.body ? pair.accessToken : null,
      refreshToken: this.options.body ? pair.refreshToken : null,
      tokenType: pair.session.jkt === null ? 'Bearer' : 'DPoP',
      expiresIn: pair.expiresIn,
      session: SessionType.of(pair.session, pair.session.id),
      userId: pair.session.userId,
    });
  }
}
