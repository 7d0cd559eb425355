import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { EmailAddressScalar } from './email-address.scalar.ts';
import type { PendingRegistration } from './pending-registration.entity.ts';
import { DeactivatedBy, type User } from './user.entity.ts';

registerEnumType(DeactivatedBy, { name: 'DeactivatedBy', description: 'Who deactivated an account.' });

/** The account as the schema shows it: a copy, so that no column reaches a client by being added to the entity. */
@ObjectType('User', {
  description: "A person's account, seen by its owner or by someone who may manage users.",
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
    description: 'Null for an account that came by Blockpass or Google and has confirmed no address yet.',
  })
  email!: string | null;

  @Field(() => Boolean, {
    description: 'The address was proved by a mailed link or by Google, or an operator vouched for it.',
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

  /** Of a registration that waits for its address to be confirmed. Not a field of the schema. */
  isPending?: true;

  /** An account to be: it has all the fields of one, so that register answers alike for both. */
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
    'What anyone may know about an active account; unknown, pending and deactivated accounts are null.',
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
      '3 to 32 letters of one script, digits, dot, dash, underscore; begins and ends with a letter or a digit. Unique without regard to case or Unicode form; CONFLICT also for one that looks like another (Unicode Technical Standard 39).',
  })
  username!: string;

  @Field(() => EmailAddressScalar, { description: 'Unique without regard to case.' })
  email!: string;

  @Field(() => String, {
    description:
      'At least 12 characters by default, at most 256. Any characters; not a common password, nor one that contains the username or the address.',
  })
  password!: string;

  @Field(() => String, { nullable: true, description: 'At most 64 characters.' })
  displayName?: string | null;
}

@InputType({ description: 'What is absent stays as it is.' })
export class UpdateProfileInput {
  @Field(() => String, {
    nullable: true,
    description: 'Left as it is when absent or null. New ones follow the rules of RegisterInput.',
  })
  username?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Left as it is when absent; removed by null or an empty text.',
  })
  displayName?: string | null;
}
