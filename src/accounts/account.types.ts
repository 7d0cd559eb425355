import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { EmailAddressScalar } from './email-address.scalar.ts';
import type { PendingRegistration } from './pending-registration.entity.ts';
import { DeactivatedBy, type User } from './user.entity.ts';

registerEnumType(DeactivatedBy, { name: 'DeactivatedBy', description: 'Who deactivated an account.' });

/**
 * An account as the schema shows it. It is a copy, so that a new column of the entity does not reach clients by itself.
 */
@ObjectType('User', {
  description: "A person's account, as its owner and administrators of users see it.",
})
export class UserType {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    description:
      '3 to 32 letters, digits, dot, dash, underscore; unique without regard to case; never contains @.',
  })
  username!: string;

  @Field(() => EmailAddressScalar, {
    nullable: true,
    description:
      'Null for an account that registered by Blockpass or Google and has not confirmed an address yet.',
  })
  email!: string | null;

  @Field(() => Boolean, {
    description: 'True when a mailed link or Google proved the address, or an operator vouched for it.',
  })
  emailConfirmed!: boolean;

  @Field(() => String, { nullable: true, description: 'A name for people to read; need not be unique.' })
  displayName!: string | null;

  @Field(() => Boolean, { description: 'False after deactivation: the account cannot sign in.' })
  isActive!: boolean;

  @Field(() => DeactivatedBy, { nullable: true, description: 'Null while the account is active.' })
  deactivatedBy!: DeactivatedBy | null;

  @Field(() => GraphQLDateTime)
  createdAt!: Date;

  @Field(() => GraphQLDateTime, { nullable: true, description: 'When the profile last changed.' })
  updatedAt!: Date | null;

  /** Set for a registration whose address is not confirmed yet. Not a field of the schema. */
  isPending?: true;

  /** Maps a pending registration. It has all fields of an account, so that `register` gives both the same shape. */
  static pending(registration: PendingRegistration): UserType {
    return Object.assign(new UserType(), {
      id: registration.id,
      username: registration.username,
      email: registration.email,
      emailConfirmed: false,
      displayName: registration.displayName,
      isActive: true,
      deactivatedBy: null,
      createdAt: registration.createdAt,
      updatedAt: null,
      isPending: true,
    });
  }

  static of(user: User): UserType {
    return Object.assign(new UserType(), {
      id: user.id,
      username: user.username,
      email: user.email,
      emailConfirmed: user.emailConfirmedAt !== null,
      displayName: user.displayName,
      isActive: user.deactivatedBy === null,
      deactivatedBy: user.deactivatedBy,
      createdAt: user.createdAt,
      updatedAt: user.updatedAt,
    });
  }
}

@ObjectType({
  description:
    'The part of an active account that anyone may read. Unknown, pending and deactivated accounts have none.',
})
export class PublicProfile {
  @Field(() => String)
  username!: string;

  @Field(() => String, { nullable: true })
  displayName!: string | null;

  @Field(() => Boolean)
  isActive!: boolean;

  @Field(() => GraphQLDateTime)
  createdAt!: Date;

  @Field(() => GraphQLDateTime, { nullable: true })
  updatedAt!: Date | null;

  static of(user: User): PublicProfile {
    return Object.assign(new PublicProfile(), {
      username: user.username,
      displayName: user.displayName,
      isActive: user.deactivatedBy === null,
      createdAt: user.createdAt,
      updatedAt: user.updatedAt,
    });
  }
}

@InputType({ description: 'A new account.' })
export class RegisterInput {
  @Field(() => String, {
    description:
      '3 to 32 letters of one script, digits, dot, dash, underscore; begins and ends with a letter or a digit. Unique without regard to case or Unicode form. CONFLICT also for a username that looks like another one (Unicode Technical Standard 39).',
  })
  username!: string;

  @Field(() => EmailAddressScalar, { description: 'Unique without regard to case.' })
  email!: string;

  @Field(() => String, {
    description:
      'At least 12 characters by default, at most 256, any characters. Common passwords are refused, and passwords that contain the username or the e-mail address.',
  })
  password!: string;

  @Field(() => String, { nullable: true, description: 'At most 64 characters.' })
  displayName?: string | null;
}

@InputType({ description: 'A change of the profile. Absent fields stay as they are.' })
export class UpdateProfileInput {
  @Field(() => String, {
    nullable: true,
    description: 'Unchanged when absent or null. A new username follows the rules of RegisterInput.',
  })
  username?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Unchanged when absent. Null or an empty text removes it.',
  })
  displayName?: string | null;
}
