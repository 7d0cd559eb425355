import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';

@ObjectType('GoogleSignIn', { description: 'What a page or an app asks Google for an ID token with.' })
export class GoogleSignInType {
  @Field(() => String, {
    description: 'Give it to Google, as it is or as its SHA-256 in hexadecimal. Good for one ID token.',
  })
  nonce!: string;

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;
}
