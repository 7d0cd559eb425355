import { Field, ID, InputType } from 'type-graphql';
import { EmailAddressScalar, UserType } from '../accounts/index.ts';
import { type Connection, connectionOf } from '../platform/pagination/index.ts';
import type { UserQuery } from './user-directory.ts';

/** A page, with the query for `totalCount`, which counts only when it is selected. */
export interface UserPage extends Connection<UserType> {
  query: UserQuery;
}

export const UserConnection = connectionOf('User', () => UserType, 'A page of users.');

@InputType({ description: 'An account that an administrator creates.' })
export class CreateUserInput {
  @Field(() => String, { description: 'As in RegisterInput. Reserved names are allowed.' })
  username!: string;

  @Field(() => EmailAddressScalar, {
    nullable: true,
    description: 'Unique without regard to case. Required without a password.',
  })
  email?: string | null;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'True: the administrator vouches for the address. Otherwise the person confirms it by a mailed link. Without a password, that link also sets one.',
  })
  emailConfirmed!: boolean;

  @Field(() => String, { nullable: true, description: 'At most 64 characters.' })
  displayName?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'As in RegisterInput. When absent, a link to set one is mailed. It works once, for 24 hours; sendPasswordReset mails another.',
  })
  password?: string | null;

  @Field(() => [String], {
    defaultValue: [],
    description:
      'Names of roles, at most 20. Needs the permission role:grant and every permission of these roles.',
  })
  roles!: string[];
}

@InputType({ description: 'A change of an account by an administrator. Absent fields stay as they are.' })
export class UpdateUserInput {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Unchanged when absent or null. Same rules as in CreateUserInput.',
  })
  username?: string | null;

  @Field(() => EmailAddressScalar, {
    nullable: true,
    description:
      'Unchanged when absent or null. Without emailConfirmed, it stays pendingEmail until the link mailed to it is used.',
  })
  email?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'True: the administrator vouches for the address. A new address takes effect at once; without a new one, the present address is confirmed. A confirmed address cannot become unconfirmed.',
  })
  emailConfirmed?: boolean | null;

  @Field(() => String, {
    nullable: true,
    description: 'Unchanged when absent. Null or an empty text removes it.',
  })
  displayName?: string | null;
}

@InputType({ description: 'Selects users that fulfil all conditions.' })
export class UserFilter {
  @Field(() => String, {
    nullable: true,
    description:
      'The beginning of the username or the e-mail address, without regard to case. A text with an @ searches only addresses.',
  })
  search?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of a role of the users.' })
  role?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: active accounts. False: deactivated ones. Null: both.',
  })
  isActive?: boolean | null;
}
