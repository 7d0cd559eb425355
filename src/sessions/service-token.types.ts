import { Field, Int, ObjectType } from 'type-graphql';

@ObjectType({
  description:
    'An access token for one service. Neither another service nor the gateway accepts it. There is no refresh token: ask for another one.',
})
export class ServiceAccessToken {
  @Field(() => String, {
    description: 'A JWT like the ordinary access token (RFC 9068); aud is the service.',
  })
  accessToken!: string;

  @Field(() => Int, { description: 'Seconds; JWT_SERVICE_TTL_SECONDS at most.' })
  expiresIn!: number;

  @Field(() => String, { description: 'Bearer, or DPoP: then the service needs a proof as well.' })
  tokenType!: string;
}
