import { Arg, Ctx, Int, Query, Resolver } from 'type-graphql';
import type { AuditLog } from '../platform/audit/index.ts';
import type { Connection } from '../platform/pagination/index.ts';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import { AuditEventConnection, AuditEventFilter, type AuditEventType } from './audit.types.ts';
import type { AuditTrail } from './audit-trail.ts';
import { AuditPermission } from './permissions.ts';

const EVENTS = 50;
const OWN_EVENTS = 20;
const FIRST = '1 to 100.';
const AFTER = 'endCursor of the previous page.';

@Resolver()
export class AuditResolver {
  constructor(
    private readonly trail: AuditTrail,
    private readonly audit: AuditLog,
  ) {}

  @Authorize({ permission: AuditPermission.READ })
  @Query(() => AuditEventConnection, {
    description:
      'The audit trail, newest first. Needs the permission audit:read. Each read is an audit event itself.',
  })
  async auditEvents(
    @Arg('first', () => Int, { nullable: true, defaultValue: EVENTS, description: FIRST }) first:
      | number
      | null,
    @Arg('after', () => String, { nullable: true, description: AFTER }) after: string | null | undefined,
    @Arg('filter', () => AuditEventFilter, { nullable: true }) filter: AuditEventFilter | null | undefined,
    @CurrentCaller() { userId: actorId }: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<Connection<AuditEventType>> {
    const page = await this.trail.page(em, { first: first ?? EVENTS, after }, filter ?? {});
    await this.audit.record(em, source, {
      action: 'audit.read',
      actorId,
      subjectId: null,
      details: { events: page.nodes.length },
    });
    return page;
  }

  @Authorize()
  @Query(() => AuditEventConnection, {
    description:
      "Security events of the caller's account, newest first. Acts of other people are shown without their identity: actor, IP address, user agent and request id are null.",
  })
  mySecurityEvents(
    @Arg('first', () => Int, { nullable: true, defaultValue: OWN_EVENTS, description: FIRST }) first:
      | number
      | null,
    @Arg('after', () => String, { nullable: true, description: AFTER }) after: string | null | undefined,
    @CurrentCaller() { userId }: Caller,
    @Ctx() { em }: RequestContext,
  ): Promise<Connection<AuditEventType>> {
    return this.trail.ownPage(em, { first: first ?? OWN_EVENTS, after }, userId);
  }
}
