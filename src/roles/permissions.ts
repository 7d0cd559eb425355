/** Permissions for operations on roles. */
export const RolePermission = {
  /** Read roles. */
  READ: 'role:read',
  /** Create, change and delete roles, within one's own permissions. */
  MANAGE: 'role:manage',
  /** Grant roles to users and revoke them, within one's own permissions. */
  GRANT: 'role:grant',
} as const;

/** Stands for every permission, including those of other services. */
export const EVERY_PERMISSION = '*';
