import { Field, ID, InputType } from 'type-graphql';
import { EmailAddressScalar, UserType } from '../accounts/index.ts';
import { type Connection, connectionOf } from '../platform/pagination/index.ts';
import type { UserQuery } from './user-directory.ts';

/** A page, and what `totalCount` counts when somebody selects it. */
export interface UserPage extends Connection<UserType> {
  query: UserQuery;
}

export const UserConnection = connectionOf('User', () => UserType, 'A page of users.');

@InputType({ description: 'An account that an administrator makes.' })
export class CreateUserInput {
  @Field(() => String, { description: 'As in RegisterInput. Reserved names are allowed.' })
  username!: string;

  @Field(() => EmailAddressScalar, {
    nullable: true,
    description: 'Unique without regard to case. Needed where there is no password.',
  })
  email?: string | null;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'The operator vouches for the address. Otherwise the person confirms it by a mailed link, which also sets the password where there is none.',
  })
  emailConfirmed!: boolean;

  @Field(() => String, { nullable: true, description: 'At most 64 characters.' })
  displayName?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'By the rules of RegisterInput. Absent: a link to set one is mailed, which works once and for 24 hours; sendPasswordReset mails another.',
  })
  password?: string | null;

  @Field(() => [String], {
    defaultValue: [],
    description: 'Names of roles, at most 20. Needs the permission role:grant and every permission of them.',
  })
  roles!: string[];
}

@InputType({ description: 'What an administrator changes of an account. What is absent stays as it is.' })
export class UpdateUserInput {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Left as it is when absent or null. As in CreateUserInput.',
  })
  username?: string | null;

  @Field(() => EmailAddressScalar, {
    nullable: true,
    description:
      'Left as it is when absent or null. Without emailConfirmed it is pendingEmail until the link that is mailed to it was used.',
  })
  email?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'True: the operator vouches for the address. A new one is used at once; the one that the account has counts as confirmed. A confirmed address cannot become unconfirmed.',
  })
  emailConfirmed?: boolean | null;

  @Field(() => String, {
    nullable: true,
    description: 'Left as it is when absent; removed by null or an empty text.',
  })
  displayName?: string | null;
}

@InputType({ description: 'Which users; all conditions together.' })
export class UserFilter {
  @Field(() => String, {
    nullable: true,
    description:
      'What the username or the e-mail address begins with, without regard to case. With an @, only addresses are searched.',
  })
  search?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of a role that they have.' })
  role?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: active accounts. False: deactivated ones. Null: both.',
  })
  isActive?: boolean | null;
}
