export const AuditPermission = {
  /** See what anybody did and suffered. */
  READ: 'audit:read',
} as const;
