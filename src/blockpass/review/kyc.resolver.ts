import { GraphQLURL } from 'graphql-scalars';
import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { auditAccountAccess, readAccount, UserType } from '../../accounts/index.ts';
import type { AuditLog } from '../../platform/audit/index.ts';
import { Forbidden, ReauthenticationRequired } from '../../platform/errors.ts';
import type { Connection } from '../../platform/pagination/index.ts';
import {
  Authorize,
  batched,
  type Caller,
  CurrentCaller,
  type Demand,
  type RequestContext,
} from '../../platform/request/index.ts';
import { type KycItem, KycItemKind, KycItemStatus } from '../records/kyc-item.entity.ts';
import { KycRecord, KycStatus } from '../records/kyc-record.entity.ts';
import type { KycRecords, Requirements } from '../records/kyc-records.ts';
import type { KycVault } from '../records/kyc-vault.ts';
import { KycDecisionInput, KycItemType, KycRecordConnection, KycRecordType } from './kyc.types.ts';
import { fileAddress } from './kyc-file.routes.ts';
import type { KycReview } from './kyc-review.ts';
import type { KycValues } from './kyc-values.ts';
import { KycPermission } from './permissions.ts';

const RECORDS = 20;
const MESSAGE = 'The text that the app shows above the items. At most 500 characters.';

/** The parts that `KycRecordResolver` uses. */
export interface KycRecordResolverDependencies {
  readonly review: KycReview;
  readonly records: KycRecords;
  readonly vault: KycVault;
  readonly requirements: Requirements;
  readonly audit: AuditLog;
}

@Resolver(() => KycRecordType)
export class KycRecordResolver {
  private readonly itemsOf: (context: RequestContext, recordId: string) => Promise<KycItem[] | undefined>;

  constructor(private readonly deps: KycRecordResolverDependencies) {
    this.itemsOf = batched((em, recordIds) => deps.records.itemsAmong(em, recordIds));
  }

  @Authorize()
  @Query(() => KycRecordType, { nullable: true, description: "The caller's own KYC record." })
  async myKycRecord(
    @CurrentCaller() { userId }: Caller,
    @Ctx() { em }: RequestContext,
  ): Promise<KycRecordType | null> {
    const record = await em.findOne(KycRecord, { userId });
    return record && this.shown(record);
  }

  @Authorize({ permission: KycPermission.REVIEW })
  @Query(() => KycRecordType, {
    nullable: true,
    description: 'One KYC record. Null for an unknown id. Needs the permission kyc:review.',
  })
  async kycRecord(
    @Arg('id', () => ID) id: string,
    @Ctx() { em }: RequestContext,
  ): Promise<KycRecordType | null> {
    const record = await this.deps.review.find(em, id);
    return record && this.shown(record);
  }

  @Authorize({ permission: KycPermission.REVIEW })
  @Query(() => KycRecordConnection, {
    description: 'KYC records, oldest first. Needs the permission kyc:review.',
  })
  async kycRecords(
    @Arg('first', () => Int, { nullable: true, defaultValue: RECORDS, description: '1 to 100.' }) first:
      | number
      | null,
    @Arg('after', () => String, { nullable: true, description: 'endCursor of the previous page.' })
    after: string | null | undefined,
    @Arg('status', () => KycStatus, { nullable: true }) status: KycStatus | null | undefined,
    @Ctx() { em }: RequestContext,
  ): Promise<Connection<KycRecordType>> {
    return this.deps.records.page(em, { first: first ?? RECORDS, after }, { status }, (record) =>
      this.shown(record),
    );
  }

  @Authorize({ permission: KycPermission.REVIEW })
  @Mutation(() => KycRecordType, {
    description:
      'Starts the review of a waiting record, or takes over a review that was idle for a day. CONFLICT for any other record, FORBIDDEN for your own. Needs the permission kyc:review.',
  })
  async startKycReview(
    @Arg('recordId', () => ID) recordId: string,
    @Ctx() context: RequestContext,
  ): Promise<KycRecordType> {
    return this.shown(await this.deps.review.start(context, recordId));
  }

  @Authorize({ permission: KycPermission.REVIEW })
  @Mutation(() => KycRecordType, {
    description:
      'Decides about single items of a record that the caller is reviewing. If one is rejected, the record goes back to the person: the Blockpass app shows the comment and asks for the item again. Needs the permission kyc:review.',
  })
  async decideKyc(
    @Arg('recordId', () => ID) recordId: string,
    @Arg('decisions', () => [KycDecisionInput]) decisions: KycDecisionInput[],
    @Arg('message', () => String, { nullable: true, description: MESSAGE }) message:
      | string
      | null
      | undefined,
    @Ctx() context: RequestContext,
  ): Promise<KycRecordType> {
    return this.shown(await this.deps.review.decide(context, recordId, { decisions, message }));
  }

  @Authorize({ permission: KycPermission.REVIEW })
  @Mutation(() => KycRecordType, {
    description:
      'Approves a record that the caller is reviewing, with all items that have no decision yet. CONFLICT while a required item is missing or rejected, while Blockpass does not vouch for a value, or while it refutes a certificate (verified is false) that acceptUnverified does not name. Issues a certificate if that is configured. Needs the permission kyc:review.',
  })
  async approveKyc(
    @Arg('recordId', () => ID) recordId: string,
    @Arg('message', () => String, { nullable: true, description: MESSAGE }) message:
      | string
      | null
      | undefined,
    @Arg('acceptUnverified', () => [String], {
      nullable: true,
      description:
        'Slugs of certificates to approve although Blockpass refutes them (verified is false). The audit trail names them.',
    })
    acceptUnverified: string[] | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<KycRecordType> {
    return this.shown(await this.deps.review.approve(context, recordId, { message, acceptUnverified }));
  }

  @FieldResolver(() => UserType, {
    nullable: true,
    description: 'The account of the person. Null until they have one.',
  })
  async user(
    @Root() { userId }: KycRecordType,
    @CurrentCaller() { userId: actorId }: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType | null> {
    if (userId === null) return null;
    await auditAccountAccess(em, this.deps.audit, { actorId, userId }, source);
    return readAccount(em, userId);
  }

  @FieldResolver(() => [KycItemType], { description: 'Fields that are required or were uploaded.' })
  identities(@Root() record: KycRecordType, @Ctx() context: RequestContext): Promise<KycItemType[]> {
    return this.items(context, record, KycItemKind.IDENTITY, this.deps.requirements.requiredFields);
  }

  @FieldResolver(() => [KycItemType], { description: 'Certificates that were uploaded.' })
  certificates(@Root() record: KycRecordType, @Ctx() context: RequestContext): Promise<KycItemType[]> {
    return this.items(context, record, KycItemKind.CERTIFICATE, []);
  }

  private async items(
    context: RequestContext,
    { id: recordId, createdAt, updatedAt }: KycRecordType,
    kind: KycItemKind,
    required: readonly string[],
  ): Promise<KycItemType[]> {
    const held = ((await this.itemsOf(context, recordId)) ?? []).filter((item) => item.kind === kind);
    const missing = required.filter((slug) => held.every((item) => item.slug !== slug));
    return [
      ...held.map((item) =>
        Object.assign(new KycItemType(), {
          recordId,
          kind,
          slug: item.slug,
          status: item.status,
          comment: this.deps.vault.openComment(item, item.sealedComment),
          contentType: item.contentType,
          verified: item.verified,
          updatedAt: item.updatedAt,
        }),
      ),
      ...missing.map((slug) =>
        Object.assign(new KycItemType(), {
          recordId,
          kind,
          slug,
          status: KycItemStatus.MISSING,
          comment: null,
          contentType: null,
          verified: null,
          updatedAt: updatedAt ?? createdAt,
        }),
      ),
    ];
  }

  private shown(record: KycRecord): KycRecordType {
    return Object.assign(new KycRecordType(), {
      id: record.id,
      userId: record.userId,
      status: record.status,
      message: this.deps.vault.openMessage(record.id, record.sealedMessage),
      createdAt: record.createdAt,
      updatedAt: record.updatedAt,
    });
  }
}

/** The fields of an item that only reviewers can read. */
@Resolver(() => KycItemType)
export class KycItemResolver {
  /** Values by record and slug. Empty for a caller who may not review. */
  private readonly valuesOf: (
    context: RequestContext,
    recordId: string,
  ) => Promise<ReadonlyMap<string, string> | undefined>;

  constructor(
    values: KycValues,
    private readonly demand: Demand,
    private readonly publicUrl: string,
  ) {
    this.valuesOf = batched(async (em, recordIds, context) =>
      (await this.mayReview(context)) ? values.read(em, recordIds, context) : new Map(),
    );
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: 'The text value, for reviewers only. Each read is audited. Null for files.',
  })
  async value(@Root() item: KycItemType, @Ctx() context: RequestContext): Promise<string | null> {
    const isText = item.kind === KycItemKind.IDENTITY && item.contentType === null;
    if (!isText || item.status === KycItemStatus.MISSING) return null;
    return (await this.valuesOf(context, item.recordId))?.get(item.slug) ?? null;
  }

  @FieldResolver(() => GraphQLURL, {
    nullable: true,
    description:
      "For reviewers only: the URL at which the caller's token can download the file or certificate.",
  })
  async fileUrl(@Root() item: KycItemType, @Ctx() context: RequestContext): Promise<string | null> {
    if (item.contentType === null || !(await this.mayReview(context))) return null;
    return this.publicUrl + fileAddress(item);
  }

  /**
   * Whether the caller may use the operations of reviewers, including the required strength of the session. Owners read
   * their records too.
   */
  private mayReview(context: RequestContext): Promise<boolean> {
    return this.demand(context, { permission: KycPermission.REVIEW }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof Forbidden || error instanceof ReauthenticationRequired) return false;
        throw error;
      },
    );
  }
}

/** The fields about KYC records of a user. */
@Resolver(() => UserType)
export class KycUserResolver {
  private readonly statusOf: (context: RequestContext, userId: string) => Promise<KycStatus | undefined>;

  constructor(records: KycRecords) {
    this.statusOf = batched((em, userIds) => records.statusesAmong(em, userIds));
  }

  @FieldResolver(() => KycStatus, { nullable: true, description: 'Null without a KYC record.' })
  async kycStatus(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<KycStatus | null> {
    return (await this.statusOf(context, id)) ?? null;
  }
}
