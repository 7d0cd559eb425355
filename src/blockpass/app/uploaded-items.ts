import { BadUserInput } from '../../platform/errors.ts';
import { isFileField } from '../protocol/index.ts';
import { KycItemKind } from '../records/kyc-item.entity.ts';
import type { SubmittedItem } from '../records/kyc-records.ts';
import { imageTypeOf } from './image.ts';
import type { UploadedPart } from './upload-form.ts';

/** What the name of a part begins with that is a certificate. */
export const CERTIFICATE_PART = '[cer]';

/** An item whose bytes are what they should be; whether Blockpass vouches for it is not known yet. */
export type JudgedItem = Omit<SubmittedItem, 'verified'>;

/** @throws {BadUserInput} naming every part that is not what it should be. */
export function judgeParts(parts: readonly UploadedPart[]): JudgedItem[] {
  const items: JudgedItem[] = [];
  const problems: { field: string; message: string }[] = [];
  for (const { name, bytes, isFile } of parts) {
    const isCertificate = name.startsWith(CERTIFICATE_PART);
    const slug = isCertificate ? name.slice(CERTIFICATE_PART.length) : name;
    const kind = isCertificate ? KycItemKind.CERTIFICATE : KycItemKind.IDENTITY;
    if (!isCertificate && isFileField(slug)) {
      const contentType = isFile ? imageTypeOf(bytes) : null;
      if (contentType === null) problems.push({ field: name, message: 'This is not a JPEG or PNG picture.' });
      items.push({ kind, slug, content: bytes, contentType });
    } else {
      if (isFile || !isText(bytes)) problems.push({ field: name, message: 'This is not text.' });
      items.push({ kind, slug, content: bytes, contentType: isCertificate ? 'application/json' : null });
    }
  }
  if (items.length === 0)
    problems.push({ field: 'body', message: 'Nothing of what was asked for is in it.' });
  if (problems.length > 0) throw new BadUserInput(problems);
  return items;
}

/** UTF-8 with something in it and no control characters but those of a text of several lines. */
function isText(bytes: Buffer): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    return text.trim() !== '' && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text);
  } catch {
    return false;
  }
}
