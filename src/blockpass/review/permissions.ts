/** What operations on records of other people ask for. */
export const KycPermission = {
  /** See records with everything in them, and decide about them. */
  REVIEW: 'kyc:review',
} as const;
