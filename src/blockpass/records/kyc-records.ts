import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../../platform/database/index.ts';
import { expiredRows } from '../../platform/housekeeping/expired-rows.ts';
import { isId } from '../../platform/id.ts';
import { InvalidValue, readFields } from '../../platform/input.ts';
import {
  type Connection,
  decodeCursor,
  encodeCursor,
  type PageArguments,
  pageOf,
  parseFirst,
} from '../../platform/pagination/index.ts';
import type { TokenSet } from '../api/index.ts';
import { fieldHash } from '../protocol/index.ts';
import { KycItem, KycItemKind, KycItemStatus } from './kyc-item.entity.ts';
import { KycRecord, KycStatus } from './kyc-record.entity.ts';
import type { KycVault } from './kyc-vault.ts';

/** The items that the service is configured to request. */
export interface Requirements {
  readonly requiredFields: readonly string[];
  readonly optionalFields: readonly string[];
  /** Optional: the person may decline. */
  readonly certificates: readonly string[];
}

/** The status of one item of a record, which may be missing. */
export interface ItemStanding {
  readonly slug: string;
  readonly status: KycItemStatus;
  readonly comment: string | null;
}

/** The status of all items of a record, for the app. */
export interface Standing {
  readonly identities: readonly ItemStanding[];
  readonly certificates: readonly ItemStanding[];
  /** Slugs that the person must still upload, because they are missing or rejected. */
  readonly due: { readonly fields: readonly string[]; readonly certificates: readonly string[] };
}

/** Reads records and their items. */
export class KycRecords {
  constructor(
    private readonly vault: KycVault,
    private readonly requirements: Requirements,
  ) {}

  find(em: EntityManager, blockpassId: string): Promise<KycRecord | null> {
    return em.findOne(KycRecord, { blockpassId });
  }

  /**
   * Reads the items without their contents. It forks, because the entity manager of a request remembers the state
   * before an earlier mutation.
   */
  items(em: EntityManager, recordId: string): Promise<KycItem[]> {
    return em.fork().find(KycItem, { recordId }, { orderBy: { kind: 'desc', slug: 'asc' } });
  }

  /** Reads the items of many records by the ids of the records. */
  async itemsAmong(em: EntityManager, recordIds: readonly string[]): Promise<ReadonlyMap<string, KycItem[]>> {
    const items = await em
      .fork()
      .find(KycItem, { recordId: { $in: [...recordIds] } }, { orderBy: { kind: 'desc', slug: 'asc' } });
    return Map.groupBy(items, ({ recordId }) => recordId);
  }

  /** Reads a page of records, oldest first. @throws {BadUserInput} invalid page arguments. */
  async page<Node>(
    em: EntityManager,
    { first, after }: PageArguments,
    { status }: { readonly status?: KycStatus | null | undefined },
    node: (record: KycRecord) => Node,
  ): Promise<Connection<Node>> {
    const { after: place } = readFields('', { first: () => parseFirst(first), after: () => placeOf(after) });
    const rows = await em.find(
      KycRecord,
      { ...(status && { status }), ...(place && { id: { $gt: place } }) },
      { orderBy: { id: 'asc' }, limit: first + 1 },
    );
    return pageOf(rows, { first, after }, { node, cursor: ({ id }) => encodeCursor(ORDER, id) });
  }

  /** The status of the records of many users, by user id. Users without a record are absent. */
  async statusesAmong(
    em: EntityManager,
    userIds: readonly string[],
  ): Promise<ReadonlyMap<string, KycStatus>> {
    const rows = await statement(
      em,
      sql<{ user_id: string; status: KycStatus }>`
        select user_id, status from kyc_record where user_id = any(${[...userIds]}::uuid[])`,
    );
    return new Map(rows.map(({ user_id, status }) => [user_id, status]));
  }

  async standing(em: EntityManager, recordId: string): Promise<Standing> {
    const items = await this.items(em, recordId);
    const held = (kind: KycItemKind) =>
      new Map(items.filter((item) => item.kind === kind).map((item) => [item.slug, this.standingOf(item)]));
    const fields = held(KycItemKind.IDENTITY);
    const certificates = held(KycItemKind.CERTIFICATE);
    const missing = (slug: string): ItemStanding => ({ slug, status: KycItemStatus.MISSING, comment: null });
    const required = this.requirements.requiredFields.map((slug) => fields.get(slug) ?? missing(slug));
    // An item that is no longer requested cannot be uploaded again, so it blocks nothing, whatever its status is.
    const others = this.requirements.optionalFields.flatMap((slug) => fields.get(slug) ?? []);
    const identities = [...required, ...others];
    return {
      identities,
      // Only uploaded certificates: a person may decline the others, so they are not shown as missing.
      certificates: this.requirements.certificates.flatMap((slug) => certificates.get(slug) ?? []),
      due: {
        fields: identities.filter(isDue).map(({ slug }) => slug),
        certificates: this.requirements.certificates.filter((slug) => {
          const standing = certificates.get(slug);
          return !standing || isDue(standing);
        }),
      },
    };
  }

  private standingOf(item: KycItem): ItemStanding {
    return {
      slug: item.slug,
      status: item.status,
      comment: this.vault.openComment(item, item.sealedComment),
    };
  }

  /** Stores the tokens of the latest call of the app. */
  async keepTokens(em: EntityManager, { id, blockpassId }: KycRecord, tokens: TokenSet): Promise<void> {
    const sealed = this.vault.sealTokens(blockpassId, tokens);
    await statement(
      em,
      sql`update kyc_record set sealed_tokens = ${sealed}, renewal_until = null where id = ${id}`,
    );
  }

  /** `fieldHash` by slug of the values as they were received. Proofs and certificates are compared with these. */
  async fieldHashes(em: EntityManager, recordId: string): Promise<Map<string, string>> {
    const items = await this.withContents(em, recordId, KycItemKind.IDENTITY);
    return new Map(items.map((item) => [item.slug, this.receivedHashOf(item)]));
  }

  /** The texts of the uploaded certificates by slug. */
  async certificates(em: EntityManager, recordId: string): Promise<Map<string, string>> {
    const items = await this.withContents(em, recordId, KycItemKind.CERTIFICATE);
    const text = (item: KycItem) => this.vault.openContent(item, item.sealedContent).toString('utf8');
    return new Map(items.map((item) => [item.slug, text(item)]));
  }

  private withContents(em: EntityManager, recordId: string, kind: KycItemKind): Promise<KycItem[]> {
    return em.fork().find(KycItem, { recordId, kind }, { populate: ['sealedContent', 'sealedReceivedHash'] });
  }

  /**
   * The hash of the received bytes. A stored hash counts only with its own content, because the previous release
   * replaces the content alone.
   */
  private receivedHashOf(item: KycItem): string {
    const contentHash = fieldHash(this.vault.openContent(item, item.sealedContent));
    const kept = this.vault.openReceivedHash(item, item.sealedReceivedHash);
    return kept?.contentHash === contentHash ? kept.receivedHash : contentHash;
  }
}

/** Cursors of this list name the id of the last record seen, because ids begin with the time. */
const ORDER = 'kycRecords';

/** @throws {InvalidValue} for a cursor of another list. */
function placeOf(after: string | null | undefined): string | null {
  if (after == null) return null;
  const { order, key } = decodeCursor(after);
  const [id] = key;
  if (order !== ORDER || id === undefined || !isId(id))
    throw new InvalidValue('This is not a cursor of this list.');
  return id;
}

const isDue = ({ status }: ItemStanding): boolean =>
  status === KycItemStatus.MISSING || status === KycItemStatus.REJECTED;

/**
 * Deletes records without an account 90 days after the last upload, decision or unlinking. A record with an account is
 * deleted with it. Without an account, no person could delete the record.
 */
export const abandonedRecords = expiredRows(
  'KYC records without an account',
  'kyc_record',
  sql`user_id is null and coalesce(updated_at, created_at) < now() - interval '90 days'`,
);
