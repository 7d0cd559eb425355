import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ID, ObjectType } from 'type-graphql';

@ObjectType('Role', { description: 'A named set of permissions.' })
export class RoleType {
  @Field(() => ID)
  id!: string;

  @Field(() => String, { description: 'Unique. Access tokens carry it.' })
  name!: string;

  @Field(() => String, { nullable: true })
  description!: string | null;

  @Field(() => [String], { description: 'Dotted words. `*` stands for all of them; only superuser has it.' })
  permissions!: string[];

  @Field(() => GraphQLDateTime)
  createdAt!: Date;
}
