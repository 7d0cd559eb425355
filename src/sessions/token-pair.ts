import type { AccessTokens } from './access-token.ts';
import type { RefreshTokens } from './refresh-token.ts';
import type { SessionRecord } from './session-store.ts';
import type { Subject } from './subject.ts';

/** The tokens of a session, good now. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
  readonly session: SessionRecord;
  /** Only of a sign-in: what its device is to keep, so that the account knows it again. */
  readonly deviceMark?: string;
}

/** Makes the tokens for a session that exists. Whether there may be one is decided before. */
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
