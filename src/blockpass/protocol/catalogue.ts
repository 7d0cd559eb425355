/** Fields that are sent as files; every other one is text. */
const FILES: ReadonlySet<string> = new Set(['passport', 'selfie', 'proof_of_address', 'selfie_national_id']);

/** Whether a field is an image that the app sends as a file. */
export const isFileField = (slug: string): boolean => FILES.has(slug);

/** Whether it can be the name of a field or certificate at all: slugs come in addresses and in input of reviewers. */
export const isSlug = (text: string): boolean => /^[a-z0-9_-]{1,64}$/.test(text);

/** How certificates spell a field: `given_name` becomes `givenName`. */
export const certificateTerm = (slug: string): string =>
  slug.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
