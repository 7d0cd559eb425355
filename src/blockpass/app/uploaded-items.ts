import { BadUserInput } from '../../platform/errors.ts';
import { fieldHash, isFileField } from '../protocol/index.ts';
import { KycItemKind } from '../records/kyc-item.entity.ts';
import type { SubmittedItem } from '../records/kyc-submissions.ts';
import { imageTypeOf } from './image.ts';
import type { PictureDecoder } from './picture-decoder.ts';
import type { UploadedPart } from './upload-form.ts';
import type { UploadAccount } from './upload-memory.ts';

/** Prefix of the name of a part that is a certificate. */
export const CERTIFICATE_PART = '[cer]';

/** An item with valid bytes. Whether Blockpass vouches for it is not known yet. */
export type JudgedItem = Omit<SubmittedItem, 'verified'>;

/**
 * Checks the parts of an upload and encodes its pictures again. After a picture is encoded, its received bytes leave
 * the list and the account, because only their hash is needed then.
 * @param parts is emptied
 * @throws {BadUserInput} naming every part that is not valid.
 * @throws {ServiceUnavailable} there is no memory left, or pictures cannot be decoded now.
 */
export async function judgeParts(
  parts: UploadedPart[],
  decoder: PictureDecoder,
  memory: UploadAccount,
): Promise<JudgedItem[]> {
  const items: JudgedItem[] = [];
  const problems: { field: string; message: string }[] = [];
  for (let part = parts.shift(); part; part = parts.shift()) {
    const { name, bytes, isFile } = part;
    const receivedHash = fieldHash(bytes);
    const isCertificate = name.startsWith(CERTIFICATE_PART);
    const slug = isCertificate ? name.slice(CERTIFICATE_PART.length) : name;
    const kind = isCertificate ? KycItemKind.CERTIFICATE : KycItemKind.IDENTITY;
    if (!isCertificate && isFileField(slug)) {
      const contentType = isFile ? imageTypeOf(bytes) : null;
      const content = contentType && (await decoder.encodeAnew(bytes));
      if (!content) {
        problems.push({ field: name, message: NOT_A_PICTURE });
        continue;
      }
      memory.exchange(bytes.length, content.length);
      items.push({ kind, slug, content, receivedHash, contentType });
    } else {
      if (isFile || !isText(bytes)) problems.push({ field: name, message: 'This is not text.' });
      items.push({
        kind,
        slug,
        content: bytes,
        receivedHash,
        contentType: isCertificate ? 'application/json' : null,
      });
    }
  }
  if (items.length + problems.length === 0)
    problems.push({ field: 'body', message: 'The upload has none of the requested items.' });
  if (problems.length > 0) throw new BadUserInput(problems);
  return items;
}

const NOT_A_PICTURE =
  'This is not a complete JPEG or PNG picture of at most 12,000 pixels a side and 36 million in all. Take it again.';

/** Whether the bytes are UTF-8 text that is not blank and has no control characters except tabs and line ends. */
function isText(bytes: Buffer): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern finds control characters.
    return text.trim() !== '' && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text);
  } catch {
    return false;
  }
}
