/** Who is calling: the verified claims of the access token that came with the request. */
export interface Caller {
  readonly userId: string;
  readonly sessionId: string;
  /**
   * Of the session when the token was issued: which refresh token came with it. Null in a token of a release before this
   * claim.
   */
  readonly generation: number | null;
  /** Thumbprint of the key that the token is bound to (RFC 9449 section 6.1); absent: a bearer token. */
  readonly jkt?: string;
  /** `kid` of the key that signed the token. */
  readonly keyId: string;
  /** Tokens older than the account's last security change carry a smaller number and are refused. */
  readonly epoch: number;
  /** Names of roles; what they permit is looked up (roles/permission-table.ts). */
  readonly roles: readonly string[];
  /** Authentication methods (RFC 8176). */
  readonly amr: readonly string[];
  /** Authenticator assurance level (NIST SP 800-63B). */
  readonly aal: number;
  /** Seconds since the epoch: when the holder last proved who they are. */
  readonly authenticatedAt: number;
  /**
   * The account must have a second factor and has none: the session can do nothing but enrol one, and `roles` is empty.
   * Operations let such a caller in by `Authorize({ whileEnrolling: true })`; other doors never see one.
   */
  readonly enrolmentRequired: boolean;
}
