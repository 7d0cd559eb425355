import { GraphQLDateTime, GraphQLJSONObject } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { AuditOutcome } from '../platform/audit/index.ts';
import { connectionOf } from '../platform/pagination/index.ts';

registerEnumType(AuditOutcome, {
  name: 'AuditOutcome',
  description: 'The outcome of an act.',
  valuesConfig: {
    SUCCESS: { description: 'The act succeeded.' },
    FAILURE: { description: 'The act failed: a wrong password, a reused token.' },
    DENIED: { description: 'The act was not allowed, or a rate limit refused it.' },
  },
});

@ObjectType({ description: 'The actor or subject of an event.' })
export class AuditParty {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'The present username; null after the account was deleted. The trail stores only ids.',
  })
  username!: string | null;
}

@ObjectType('AuditEvent', {
  description: 'One entry of the audit trail. Entries are added and never changed.',
})
export class AuditEventType {
  @Field(() => ID)
  id!: string;

  @Field(() => GraphQLDateTime)
  at!: Date;

  @Field(() => String, {
    description: 'The act, in dotted words: session.created, password.changed, role.granted ...',
  })
  action!: string;

  @Field(() => AuditParty, {
    nullable: true,
    description:
      'The account that acted. Null when the actor was not authenticated, and for the command line.',
  })
  actor!: AuditParty | null;

  @Field(() => AuditParty, { nullable: true, description: 'The account that was acted on.' })
  subject!: AuditParty | null;

  @Field(() => AuditOutcome)
  outcome!: AuditOutcome;

  @Field(() => String, { nullable: true })
  ipAddress!: string | null;

  @Field(() => String, { nullable: true })
  userAgent!: string | null;

  @Field(() => String, { nullable: true, description: 'The id of the request, for finding it in the log.' })
  requestId!: string | null;

  @Field(() => GraphQLJSONObject, {
    nullable: true,
    description: 'Details of the act. Their fields depend on the action.',
  })
  details!: Record<string, unknown> | null;
}

export const AuditEventConnection = connectionOf(
  'AuditEvent',
  () => AuditEventType,
  'A page of the audit trail, newest first.',
);

@InputType({ description: 'Selects events that fulfil all conditions.' })
export class AuditEventFilter {
  @Field(() => ID, { nullable: true, description: 'The account that acted or was acted on.' })
  userId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The same account by its present username or e-mail address, without regard to case. An unknown one has no events.',
  })
  user?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'One action, such as role.granted, or all actions with a prefix: role.*',
  })
  action?: string | null;

  @Field(() => AuditOutcome, { nullable: true, description: 'The outcome of the act.' })
  outcome?: AuditOutcome | null;

  @Field(() => String, {
    nullable: true,
    description: 'The IPv4 or IPv6 address of the client. BAD_USER_INPUT for any other text.',
  })
  ipAddress?: string | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Events at this time or later.' })
  since?: Date | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Events before this time.' })
  until?: Date | null;
}
