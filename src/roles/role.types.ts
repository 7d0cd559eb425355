import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType } from 'type-graphql';

@ObjectType('Role', { description: 'A named set of permissions.' })
export class RoleType {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    description: 'Unique without regard to case. Access tokens carry it as it is written here.',
  })
  name!: string;

  @Field(() => String, { nullable: true })
  description!: string | null;

  @Field(() => [String], {
    description: 'Words such as user:read, sorted. `*` stands for all of them; only superuser has it.',
  })
  permissions!: string[];

  @Field(() => GraphQLDateTime)
  createdAt!: Date;
}

const NAME =
  'Unique without regard to case; a letter, then up to 63 letters, digits, dots, colons, dashes, underscores. Access tokens carry it.';
const PERMISSIONS =
  'Words with dots or colons between them, such as user:read; each at most 64 characters, 200 of them. Words that the gateway does not know are for the services behind it.';

@InputType({ description: 'A new role.' })
export class CreateRoleInput {
  @Field(() => String, { description: NAME })
  name!: string;

  @Field(() => String, { nullable: true, description: 'For people; at most 500 characters.' })
  description?: string | null;

  @Field(() => [String], { defaultValue: [], description: PERMISSIONS })
  permissions!: string[];
}

@InputType({ description: 'What is absent stays as it is.' })
export class UpdateRoleInput {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: `${NAME} A new name voids the access tokens of everybody who has the role; they refresh.`,
  })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Removed by null or an empty text.' })
  description?: string | null;

  @Field(() => [String], { nullable: true, description: `All of them. ${PERMISSIONS}` })
  permissions?: string[] | null;
}
