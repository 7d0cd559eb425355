import type { PlatformServices, PlatformSettings } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import { MailTemplates } from './mail-templates.ts';

export type MailTemplateServices = ServicesOf<typeof composeMailTemplates>;

export function composeMailTemplates({
  config,
  platform: { publicUrl, clientOrigin },
}: {
  config: PlatformSettings;
  platform: PlatformServices;
}) {
  const pagesAt = { gateway: publicUrl, client: clientOrigin, off: null }[config.http.linkPages];
  const templates = new MailTemplates({ productName: config.productName, pagesAt });
  return { services: { templates } } satisfies Composed;
}
