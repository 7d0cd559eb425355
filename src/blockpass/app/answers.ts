import { type KycRecord, KycStatus } from '../records/kyc-record.entity.ts';
import type { ItemStanding, Standing } from '../records/kyc-records.ts';

interface ItemStatusAnswer {
  readonly slug: string;
  readonly status: string;
  readonly comment?: string;
}

/** `KycRecordStatus` of the protocol. */
export interface StatusAnswer {
  readonly status: 'notFound' | 'waiting' | 'inreview' | 'approved';
  readonly message: string;
  readonly createdDate?: string;
  readonly allowResubmit: boolean;
  readonly identities: readonly ItemStatusAnswer[];
  readonly certificates: readonly ItemStatusAnswer[];
}

/** `MobileResponsePayload` of the protocol. */
export type NextActionAnswer =
  | { readonly nextAction: 'none'; readonly message: string }
  | {
      readonly nextAction: 'upload';
      readonly accessToken: string;
      readonly requiredFields: readonly string[];
      readonly optionalFields: readonly string[];
      readonly certs: readonly string[];
    };

/** Nothing needs to be uploaded now. */
export const nothingMore: NextActionAnswer = { nextAction: 'none', message: 'Nothing more is needed now.' };

/** The upload is stored. */
export const uploadThanks: NextActionAnswer = { nextAction: 'none', message: 'Thank you.' };

/** The upload is stored, but the sign-in that it belonged to failed. */
export const scanAgain: NextActionAnswer = {
  nextAction: 'none',
  message: 'Thank you. Your data is stored, but the sign-in failed: scan a new QR code.',
};

const STATUS_WORDS = {
  [KycStatus.WAITING]: 'waiting',
  [KycStatus.IN_REVIEW]: 'inreview',
  [KycStatus.APPROVED]: 'approved',
} as const;

const DEFAULT_MESSAGES: Readonly<Record<KycStatus, string>> = {
  [KycStatus.WAITING]: 'Waiting for a review.',
  [KycStatus.IN_REVIEW]: 'A reviewer is looking at your data.',
  [KycStatus.APPROVED]: 'Your data was approved.',
};

/** The answer for a person without a record, with the fields that the service requires. */
export const notFound = (requiredFields: readonly string[]): StatusAnswer => ({
  status: 'notFound',
  message: 'To sign up, share the items below.',
  allowResubmit: false,
  identities: requiredFields.map((slug) => ({ slug, status: '' })),
  certificates: [],
});

/**
 * Whether the person may upload items again. A person with an approved record may renew a document. During a review
 * nothing may change.
 */
export const takesUploads = ({ status }: KycRecord): boolean => status !== KycStatus.IN_REVIEW;

/** @param message of the reviewer, if there is one */
export const statusOf = (record: KycRecord, message: string | null, standing: Standing): StatusAnswer => ({
  status: STATUS_WORDS[record.status],
  message: message ?? defaultMessage(record, standing),
  createdDate: record.createdAt.toISOString(),
  allowResubmit: takesUploads(record),
  identities: standing.identities.map(answerOf),
  certificates: standing.certificates.map(answerOf),
});

/** The default message. If required fields are missing and may be uploaded, it names them. */
function defaultMessage(record: KycRecord, { due }: Standing): string {
  const usual = DEFAULT_MESSAGES[record.status];
  if (due.fields.length === 0 || !takesUploads(record)) return usual;
  const needed = `Still needed: ${due.fields.join(', ')}.`;
  return record.status === KycStatus.WAITING ? needed : `${usual} ${needed}`;
}

const answerOf = ({ slug, status, comment }: ItemStanding): ItemStatusAnswer => ({
  slug,
  status: status.toLowerCase(),
  comment: comment ?? '',
});
