import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, InputType, ObjectType } from 'type-graphql';

@ObjectType('Role', { description: 'A named set of permissions.' })
export class RoleType {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    description: 'Unique without regard to case. Access tokens carry it exactly as written here.',
  })
  name!: string;

  @Field(() => String, { nullable: true })
  description!: string | null;

  @Field(() => [String], {
    description: 'Words such as user:read, sorted. `*` stands for all permissions; only superuser has it.',
  })
  permissions!: string[];

  @Field(() => GraphQLDateTime)
  createdAt!: Date;
}

const NAME =
  'Unique without regard to case. A letter, then up to 63 letters, digits, dots, colons, dashes and underscores. Access tokens carry it.';
const PERMISSIONS =
  'At most 200 permissions. Each has at most 64 characters and consists of words with dots or colons between them, such as user:read. Permissions that the gateway does not know are for the services behind it.';

@InputType({ description: 'A new role.' })
export class CreateRoleInput {
  @Field(() => String, { description: NAME })
  name!: string;

  @Field(() => String, { nullable: true, description: 'For people, at most 500 characters.' })
  description?: string | null;

  @Field(() => [String], { defaultValue: [], description: PERMISSIONS })
  permissions!: string[];
}

@InputType({ description: 'A change of a role. Absent fields stay as they are.' })
export class UpdateRoleInput {
  @Field(() => ID)
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: `${NAME} A new name voids the access tokens of all holders, whose clients then refresh.`,
  })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Null or an empty text removes it.' })
  description?: string | null;

  @Field(() => [String], {
    nullable: true,
    description: `Replaces all permissions of the role. ${PERMISSIONS}`,
  })
  permissions?: string[] | null;
}
