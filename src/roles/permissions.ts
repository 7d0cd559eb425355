/** What the gateway's own operations ask for. A role may carry other dotted words, which services behind it know. */
export const RolePermission = { READ: 'role:read' } as const;

/** Every permission that an operation of the gateway asks for. */
export const GATEWAY_PERMISSIONS: readonly string[] = [...Object.values(RolePermission)];

/** Stands for every permission, custom ones too. */
export const EVERY_PERMISSION = '*';
