export const AuditPermission = {
  /** Read all events, of every actor and subject. */
  READ: 'audit:read',
} as const;
