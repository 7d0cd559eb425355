import type { MailTemplateServices } from '../mail-templates/index.ts';
import type { OneTimeTokenServices } from '../one-time-tokens/index.ts';
import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import { OwnerNotices } from './owner-notices.ts';

export type NoticeServices = ServicesOf<typeof composeNotices>;

export function composeNotices({
  platform: { outbox, rateLimiter, noticeTexts },
  oneTimeTokens: { tokens },
  mailTemplates: { templates },
}: {
  platform: PlatformServices;
  oneTimeTokens: OneTimeTokenServices;
  mailTemplates: MailTemplateServices;
}) {
  const notices = new OwnerNotices<string>(outbox, { templates, texts: noticeTexts }, tokens, rateLimiter);
  return { services: { notices }, mailWriters: [notices] } satisfies Composed;
}
