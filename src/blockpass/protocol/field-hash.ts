import { createHash } from 'node:crypto';

/**
 * H of the Blockpass protocol: SHA-256 in lower-case hexadecimal. The hash of a field is over the bytes as they were
 * uploaded. To join two hashes, hash their hexadecimal text, never the decoded bytes.
 */
export const fieldHash = (raw: string | Uint8Array): string => createHash('sha256').update(raw).digest('hex');
