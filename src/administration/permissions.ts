/** What operations on other people's accounts ask for. */
export const UserPermission = {
  /** See accounts: profile, address, roles. */
  READ: 'user:read',
  /** Make accounts; with role:grant also with roles. */
  CREATE: 'user:create',
  /** Set username, display name and e-mail address of accounts. */
  UPDATE: 'user:update',
  /** Help owners back in: refill their guesses, mail them a link for a new password. */
  UNLOCK: 'user:unlock',
  /** Delete accounts for good. */
  DELETE: 'user:delete',
  /** Deactivate accounts and activate them. */
  DEACTIVATE: 'user:deactivate',
} as const;

/** What operations on other people's second factors ask for. */
export const FactorPermission = {
  /** Remove a second factor that its owner lost. */
  REMOVE: 'factor:remove',
} as const;

/** What operations on other people's sessions ask for. */
export const SessionPermission = {
  /** See where an account is signed in. */
  READ: 'session:read',
  /** End sessions of an account: one, or all. */
  REVOKE: 'session:revoke',
} as const;
