import { GraphQLDateTime, GraphQLJSONObject } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { AuditOutcome } from '../platform/audit/index.ts';
import { connectionOf } from '../platform/pagination/index.ts';

registerEnumType(AuditOutcome, {
  name: 'AuditOutcome',
  description: 'How it ended.',
  valuesConfig: {
    SUCCESS: { description: 'It happened.' },
    FAILURE: { description: 'Tried and wrong: a bad password, a reused token.' },
    DENIED: { description: 'Not allowed, or a limit was hit.' },
  },
});

@ObjectType({ description: 'Who did or suffered something; username is null once the account is deleted.' })
export class AuditParty {
  @Field(() => ID)
  id!: string;

  @Field(() => String, { nullable: true, description: 'As it is now: the trail itself holds ids only.' })
  username!: string | null;
}

@ObjectType('AuditEvent', { description: 'One entry of the audit trail, which is only ever added to.' })
export class AuditEventType {
  @Field(() => ID)
  id!: string;

  @Field(() => GraphQLDateTime)
  at!: Date;

  @Field(() => String, {
    description: 'What happened, in dotted words: session.created, password.changed, role.granted ...',
  })
  action!: string;

  @Field(() => AuditParty, {
    nullable: true,
    description: 'Who did it; null where nobody had proved who they are, and for the command line.',
  })
  actor!: AuditParty | null;

  @Field(() => AuditParty, { nullable: true, description: 'Whose account it concerns.' })
  subject!: AuditParty | null;

  @Field(() => AuditOutcome)
  outcome!: AuditOutcome;

  @Field(() => String, { nullable: true })
  ipAddress!: string | null;

  @Field(() => String, { nullable: true })
  userAgent!: string | null;

  @Field(() => String, { nullable: true, description: 'Under which the log has the rest.' })
  requestId!: string | null;

  @Field(() => GraphQLJSONObject, {
    nullable: true,
    description: 'Small facts; which ones depends on the action.',
  })
  details!: Record<string, unknown> | null;
}

export const AuditEventConnection = connectionOf(
  'AuditEvent',
  () => AuditEventType,
  'A page of the audit trail, the newest first.',
);

@InputType({ description: 'Which events; all conditions together.' })
export class AuditEventFilter {
  @Field(() => ID, { nullable: true, description: 'Who did it or whom it concerns.' })
  userId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'The same by username or e-mail address, as the account is called now; without regard to case. No events for an unknown one.',
  })
  user?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'One action, such as role.granted, or all that begin so: role.*',
  })
  action?: string | null;

  @Field(() => AuditOutcome, { nullable: true, description: 'How it ended.' })
  outcome?: AuditOutcome | null;

  @Field(() => String, {
    nullable: true,
    description: 'The IPv4 or IPv6 address that the request came from. BAD_USER_INPUT for anything else.',
  })
  ipAddress?: string | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'At this time or later.' })
  since?: Date | null;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'Before this time.' })
  until?: Date | null;
}
