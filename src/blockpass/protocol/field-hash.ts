import { createHash } from 'node:crypto';

/**
 * H of the Blockpass protocol: SHA-256 in lower-case hex. Of a field it is taken over the bytes as they were uploaded;
 * where two hashes are joined, over their hex text, never over the decoded bytes.
 */
export const fieldHash = (raw: string | Uint8Array): string => createHash('sha256').update(raw).digest('hex');
