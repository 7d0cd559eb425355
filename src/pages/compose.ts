import type { PlatformServices, PlatformSettings } from '../platform/compose.ts';
import type { Composed } from '../platform/module-type.ts';
import { linkPages } from './link-pages.routes.ts';

export function composePages({
  config,
  platform: { pages },
}: {
  config: PlatformSettings;
  platform: PlatformServices;
}) {
  return { routes: config.http.linkPages === 'gateway' ? [linkPages(pages)] : [] } satisfies Composed;
}
