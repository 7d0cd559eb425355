import type { AccessTokens } from './access-token.ts';
import type { RefreshTokens } from './refresh-token.ts';
import type { SessionRecord } from './session-store.ts';
import type { Subject } from './subject.ts';

/** The current tokens of a session. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  readonly session: SessionRecord;
  /** Only after a sign-in: a mark for the device to keep, by which the account recognises it. */
  readonly deviceMark?: string;
}

/** Makes the tokens for an existing session. The caller has decided that the session may have them. */
export class TokenPairs {
  constructor(
    private readonly accessTokens: AccessTokens,
    private readonly refreshTokens: RefreshTokens,
  ) {}

  async issue(session: SessionRecord, subject: Subject): Promise<TokenPair> {
    const { token, expiresIn } = await this.accessTokens.issue(session, subject);
    const { id: sessionId, userId, generation, jkt } = session;
    const refreshToken = this.refreshTokens.issue({ userId, sessionId, generation, jkt });
    return { accessToken: token, refreshToken, expiresIn, session };
  }
}
