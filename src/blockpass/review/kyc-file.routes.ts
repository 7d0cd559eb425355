import type { FastifyInstance } from 'fastify';
import type { AuditLog } from '../../platform/audit/index.ts';
import { NotFound } from '../../platform/errors.ts';
import { isId } from '../../platform/id.ts';
import type { ContextOf, Demand } from '../../platform/request/index.ts';
import { isSlug } from '../protocol/index.ts';
import { KycItem, KycItemKind } from '../records/kyc-item.entity.ts';
import { KycRecord } from '../records/kyc-record.entity.ts';
import type { ItemPlace, KycVault } from '../records/kyc-vault.ts';
import { KycPermission } from './permissions.ts';

const PATH = '/kyc/files';

/** The path from which a reviewer downloads an item. */
export const fileAddress = ({ recordId, kind, slug }: ItemPlace): string =>
  `${PATH}/${recordId}/${kind.toLowerCase()}/${encodeURIComponent(slug)}`;

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'application/json': 'json',
};

/**
 * Serves files and certificates to reviewers, as downloads that the browser never shows as content of this origin.
 * Every download is audited before the first byte is sent.
 */
export function kycFileRoutes(vault: KycVault, audit: AuditLog, demand: Demand, contextOf: ContextOf) {
  return async (app: FastifyInstance): Promise<void> => {
    app.get(`${PATH}/:recordId/:kind/:slug`, async (request, reply) => {
      const context = contextOf(request, reply);
      await demand(context, { permission: KycPermission.REVIEW });
      const { recordId = '', kind = '', slug = '' } = request.params as Record<string, string | undefined>;
      const itemKind = Object.values(KycItemKind).find((value) => value.toLowerCase() === kind);
      if (!isId(recordId) || itemKind === undefined || !isSlug(slug)) throw new NotFound();
      const place = { recordId, kind: itemKind, slug };
      const record = await context.em.findOne(KycRecord, { id: recordId });
      const item = await context.em.findOne(KycItem, place, { populate: ['sealedContent'] });
      if (!record || !item || item.contentType === null) throw new NotFound();
      await audit.record(context.em, context.source, {
        action: 'kyc.file_downloaded',
        actorId: context.caller.userId,
        subjectId: record.userId,
        details: { recordId, kind: itemKind, slug },
      });
      const extension = EXTENSIONS[item.contentType] ?? 'bin';
      return reply
        .headers({
          'content-type': item.contentType,
          'content-disposition': `attachment; filename="${recordId}-${item.slug}.${extension}"`,
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          'cross-origin-resource-policy': 'same-site',
        })
        .send(vault.openContent(place, item.sealedContent));
    });
  };
}
