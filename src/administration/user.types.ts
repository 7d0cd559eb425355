import { Field, InputType } from 'type-graphql';
import { UserType } from '../accounts/index.ts';
import { type Connection, connectionOf } from '../platform/pagination/index.ts';
import type { UserQuery } from './user-directory.ts';

/** A page, and what `totalCount` counts when somebody selects it. */
export interface UserPage extends Connection<UserType> {
  query: UserQuery;
}

export const UserConnection = connectionOf('User', () => UserType, 'A page of users.');

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
