import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import { ServiceAccessToken } from './service-token.types.ts';
import type { ServiceTokens } from './service-tokens.ts';
import type { TokenCookies } from './token-cookies.ts';

@Resolver(() => ServiceAccessToken)
export class ServiceTokenResolver {
  constructor(
    private readonly serviceTokens: ServiceTokens,
    private readonly cookies: TokenCookies,
  ) {}

  @Authorize()
  @Mutation(() => ServiceAccessToken, {
    description:
      'Issues a short-lived access token that only the named service accepts. It has the roles and strength of the access token of this request. NOT_FOUND when JWT_SERVICE_AUDIENCES names no service, BAD_USER_INPUT when it does not name this one.',
  })
  async accessTokenFor(
    @Arg('audience', () => String, { description: 'The service, as JWT_SERVICE_AUDIENCES names it.' })
    audience: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { credentials }: RequestContext,
  ): Promise<ServiceAccessToken> {
    const presented = this.cookies.accessToken(credentials) ?? '';
    const { token, expiresIn } = await this.serviceTokens.issue(caller, presented, audience);
    const tokenType = caller.jkt === undefined ? 'Bearer' : 'DPoP';
    return Object.assign(new ServiceAccessToken(), { accessToken: token, expiresIn, tokenType });
  }
}
