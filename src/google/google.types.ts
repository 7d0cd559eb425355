import { GraphQLDateTime } from 'graphql-scalars';
import { Field, ObjectType } from 'type-graphql';

@ObjectType('GoogleSignIn', {
  description: 'The nonce with which a page or an app requests an ID token from Google.',
})
export class GoogleSignInType {
  @Field(() => String, {
    description: 'Pass it to Google, as it is or as its SHA-256 in hexadecimal. It works for one ID token.',
  })
  nonce!: string;

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;
}
