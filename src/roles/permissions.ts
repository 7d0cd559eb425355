/** What operations on roles ask for. */
export const RolePermission = {
  /** See roles. */
  READ: 'role:read',
  /** Create, change and delete roles, within one's own permissions. */
  MANAGE: 'role:manage',
  /** Give roles to users and take them, within one's own permissions. */
  GRANT: 'role:grant',
} as const;

/** Stands for every permission, custom ones too. */
export const EVERY_PERMISSION = '*';
