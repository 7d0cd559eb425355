/** The caller: the verified claims of the request's access token. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  /**
   * Generation of the session when the token was issued. The refresh token that was issued with it has the same
   * generation. Null in a token of a release before this claim.
   */
  readonly generation: number | null;
  /** Thumbprint of the key that the token is bound to (RFC 9449 section 6.1). Absent in a bearer token. */
  readonly jkt?: string;
  /** `kid` of the key that signed the token. */
  readonly keyId: string;
  /** Tokens from before the account's last security change have a smaller number, and are refused. */
  readonly epoch: number;
  /** Names of roles. Their permissions are looked up (roles/permission-table.ts). */
  readonly roles: readonly string[];
  /** Authentication methods (RFC 8176). */
  readonly amr: readonly string[];
  /** Authenticator assurance level (NIST SP 800-63B). */
  readonly aal: number;
  /** Time of the last authentication, in seconds since the epoch. */
  readonly authenticatedAt: number;
  /**
   * The account must have a second factor and has none: the session can only enrol one, and `roles` is empty.
   * Operations admit such a caller by `Authorize({ whileEnrolling: true })`; other entry points never do.
   */
  readonly enrolmentRequired: boolean;
}
