import { Arg, Ctx, Extensions, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { readAccount, UserType } from '../accounts/index.ts';
import { InvalidRefreshToken, Unauthenticated } from '../platform/errors.ts';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import { type RefreshRotation, SessionType, type TokenCookies, type TokenPair } from '../sessions/index.ts';
import { Authenticated, LoginInput, LoginResult } from './authentication.types.ts';
import type { PasswordLogin } from './password-login.ts';
import type { Reauthentication } from './reauthentication.ts';

/** A document holds at most one such field (graphql/one-session-per-document.ts). */
const issuesSession = Extensions({ issuesSession: true });

export interface TokenDeliveryOptions {
  readonly cookies: boolean;
  readonly body: boolean;
}

@Resolver(() => Authenticated)
export class AuthenticationResolver {
  constructor(
    private readonly passwordLogin: PasswordLogin,
    private readonly reauthentication: Reauthentication,
    private readonly rotation: RefreshRotation,
    private readonly cookies: TokenCookies,
    private readonly delivery: TokenDeliveryOptions,
  ) {}

  @issuesSession
  @Mutation(() => LoginResult, {
    description:
      'Signs in. INVALID_CREDENTIALS never says which part was wrong; RATE_LIMITED comes before the password is looked at.',
  })
  async login(
    @Arg('input', () => LoginInput) input: LoginInput,
    @Ctx() context: RequestContext,
  ): Promise<typeof LoginResult> {
    return this.deliver(context, await this.passwordLogin.login(context.em, input, context.origin));
  }

  @issuesSession
  @Mutation(() => Authenticated, {
    description:
      'Rotates the refresh token, taken from the argument, else the Authorization header when that has the form of a refresh token, else the cookie. A stale access token in the header does not get in the way. A call whose reply was lost may be repeated within the grace (REFRESH_GRACE_SECONDS, 30 by default) and gets the same successor; after that, a used token ends the session.',
  })
  async refresh(
    @Arg('refreshToken', () => String, {
      nullable: true,
      description: 'For clients that keep it themselves.',
    })
    refreshToken: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<Authenticated> {
    const token = refreshToken ?? this.cookies.refreshToken(context.credentials);
    if (token === undefined) throw new InvalidRefreshToken('none was sent');
    return this.deliver(context, await this.rotation.rotate(context.em, token, context.origin));
  }

  @issuesSession
  @Authorize()
  @Mutation(() => Authenticated, {
    description:
      'Proves presence again in this session: raises its authentication time. The session keeps its id; the tokens are new.',
  })
  async reauthenticate(
    @Arg('password', () => String, {
      nullable: true,
      description: 'Required, until there are other ways to prove it.',
    })
    password: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() context: RequestContext,
  ): Promise<Authenticated> {
    const pair = await this.reauthentication.byPassword(context.em, caller, password, context.origin);
    return this.deliver(context, pair);
  }

  @FieldResolver(() => UserType)
  async user(@Root() { userId }: Authenticated, @Ctx() { em }: RequestContext): Promise<UserType> {
    const account = await readAccount(em, userId);
    if (!account) throw new Unauthenticated('the account is gone');
    return account;
  }

  private deliver(context: RequestContext, pair: TokenPair): Authenticated {
    if (this.delivery.cookies) this.cookies.set(context, pair);
    return Object.assign(new Authenticated(), {
      accessToken: this.delivery.body ? pair.accessToken : null,
      refreshToken: this.delivery.body ? pair.refreshToken : null,
      tokenType: 'Bearer',
      expiresIn: pair.expiresIn,
      session: SessionType.of(pair.session, pair.session.id),
      userId: pair.session.userId,
    });
  }
}
