import type { PlatformServices } from '../platform/compose.ts';
import type { Composed } from '../platform/module-type.ts';
import { AuditResolver } from './audit.resolver.ts';
import { AuditTrail } from './audit-trail.ts';

export function composeAudit({ platform: { audit } }: { platform: PlatformServices }) {
  return { resolvers: [new AuditResolver(new AuditTrail(), audit)] } satisfies Composed;
}
