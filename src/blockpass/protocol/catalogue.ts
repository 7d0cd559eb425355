/** Fields that are sent as files. All others are text. */
const FILES: ReadonlySet<string> = new Set(['passport', 'selfie', 'proof_of_address', 'selfie_national_id']);

/** Whether a field is an image that the app sends as a file. */
export const isFileField = (slug: string): boolean => FILES.has(slug);

/** Whether a text can be the slug of a field or certificate. Slugs come in URLs and in input of reviewers. */
export const isSlug = (text: string): boolean => /^[a-z0-9_-]{1,64}$/.test(text);

/** The name of a field in certificates: `given_name` becomes `givenName`. */
export const certificateTerm = (slug: string): string =>
  slug.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
