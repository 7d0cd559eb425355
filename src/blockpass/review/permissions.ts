/** Permissions for operations on records of other people. */
export const KycPermission = {
  /** Read records with all their contents, and decide about them. */
  REVIEW: 'kyc:review',
} as const;
