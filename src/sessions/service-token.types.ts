import { Field, Int, ObjectType } from 'type-graphql';

@ObjectType({
  description:
    'An access token for one service. Neither another service nor the gateway accepts it. It has no refresh token: when it expires, ask for a new one.',
})
export class ServiceAccessToken {
  @Field(() => String, {
    description: 'A JWT like the ordinary access token (RFC 9068); aud is the service.',
  })
  accessToken!: string;

  @Field(() => Int, { description: 'Seconds until the token expires, at most JWT_SERVICE_TTL_SECONDS.' })
  expiresIn!: number;

  @Field(() => String, { description: 'Bearer, or DPoP when the service needs a proof as well.' })
  tokenType!: string;
}
