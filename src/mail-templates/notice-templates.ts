import type { NoticeText } from '../platform/module-type.ts';
import type { MailContent } from './layout.ts';

/** Where and when something happened, as the owner is told. */
export interface NoticeFacts {
  readonly at: Date;
  readonly ipAddress: string | null;
}

/** `2026-11-28 16:57 UTC`. */
export const minuteOf = (time: Date): string => `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

export function notice(
  { subject, what }: NoticeText,
  { at, ipAddress }: NoticeFacts,
  productName: string,
): MailContent {
  const when = minuteOf(at);
  return {
    subject: `${subject} (${productName})`,
    paragraphs: [
      what,
      ipAddress === null ? `Time: ${when}.` : `Time: ${when}. Network address: ${ipAddress}.`,
    ],
    smallPrint: ['If it was not you, set a new password now and look through your sessions.'],
  };
}
