/** Permissions for operations on other people's accounts. */
export const UserPermission = {
  /** Read accounts: profile, address, roles. */
  READ: 'user:read',
  /** Create accounts; with role:grant also with roles. */
  CREATE: 'user:create',
  /** Set username, display name and e-mail address of accounts. */
  UPDATE: 'user:update',
  /** Restore an owner's access: refill the guesses, mail a link for a new password. */
  UNLOCK: 'user:unlock',
  /** Delete accounts for good. */
  DELETE: 'user:delete',
  /** Deactivate accounts and activate them. */
  DEACTIVATE: 'user:deactivate',
} as const;

/** Permissions for operations on other people's second factors. */
export const FactorPermission = {
  /** Remove a second factor that its owner lost. */
  REMOVE: 'factor:remove',
} as const;

/** Permissions for operations on other people's sessions. */
export const SessionPermission = {
  /** List the sessions of an account. */
  READ: 'session:read',
  /** End one session of an account, or all. */
  REVOKE: 'session:revoke',
} as const;
