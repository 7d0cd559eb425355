import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, Int, ObjectType } from 'type-graphql';
import type { SessionRecord } from './session-store.ts';

@ObjectType('Session', { description: 'A place where the account is signed in. It never shows a token.' })
export class SessionType {
  @Field(() => ID, { description: 'Argument of revokeSession.' })
  id!: string;

  @Field(() => Boolean, { description: 'True for the session of this request.' })
  current!: boolean;

  @Field(() => String, { nullable: true, description: 'User agent at the last use.' })
  userAgent!: string | null;

  @Field(() => String, { nullable: true, description: 'IP address at the last use.' })
  ipAddress!: string | null;

  @Field(() => [String], {
    description: 'How the holder signed in: pwd, otp, recovery, google, blockpass (after RFC 8176).',
  })
  authenticationMethods!: readonly string[];

  @Field(() => Int, {
    description: 'Authenticator assurance level: 1 one factor, 2 two factors (NIST SP 800-63B).',
  })
  aal!: number;

  @Field(() => Boolean, { description: 'True when its tokens work only with a key of the client (DPoP).' })
  keyBound!: boolean;

  /** For the field `secondFactorEnrolmentRequired`, which is looked up only when an operation selects it. */
  userId!: string;

  @Field(() => GraphQLDateTime)
  createdAt!: Date;

  @Field(() => GraphQLDateTime, { description: 'Time of the sign-in or the latest refresh.' })
  lastUsedAt!: Date;

  @Field(() => GraphQLDateTime, { description: 'Absolute end of the session: a refresh does not move it.' })
  expiresAt!: Date;

  static of(session: SessionRecord, currentId: string): SessionType {
    return Object.assign(new SessionType(), {
      id: session.id,
      current: session.id === currentId,
      userAgent: session.userAgent,
      ipAddress: session.ipAddress,
      authenticationMethods: session.amr,
      aal: session.aal,
      keyBound: session.jkt !== null,
      userId: session.userId,
      createdAt: session.createdAt,
      lastUsedAt: session.lastUsedAt,
      expiresAt: session.expiresAt,
    });
  }
}
