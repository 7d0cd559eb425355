import { Arg, Args, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { readAccount, UserType } from '../accounts/index.ts';
import { Unauthenticated } from '../platform/errors.ts';
import { Authorize, type RequestContext, type RequestSource } from '../platform/request/index.ts';
import type { RefreshRotation, TokenCookies } from '../sessions/index.ts';
import { Authenticated, CompleteLoginInput, LoginInput, LoginResult } from './authentication.types.ts';
import type { PasswordLogin } from './password-login.ts';
import { ReauthenticateArgs } from './reauthenticate.args.ts';
import type { Reauthentication } from './reauthentication.ts';
import type { SecondStep } from './second-step.ts';
import { issuesSession, type TokenDelivery } from './token-delivery.ts';

/** The parts that `AuthenticationResolver` uses. */
export interface AuthenticationResolverDependencies {
  readonly passwordLogin: PasswordLogin;
  readonly secondStep: SecondStep;
  readonly reauthentication: Reauthentication;
  readonly rotation: RefreshRotation;
  readonly cookies: TokenCookies;
  readonly delivery: TokenDelivery;
}

@Resolver(() => Authenticated)
export class AuthenticationResolver {
  constructor(private readonly deps: AuthenticationResolverDependencies) {}

  @issuesSession
  @Mutation(() => LoginResult, {
    description:
      'Signs in. INVALID_CREDENTIALS does not tell which part was wrong. RATE_LIMITED is answered before the password is checked.',
  })
  async login(
    @Arg('input', () => LoginInput) input: LoginInput,
    @Ctx() context: RequestContext,
  ): Promise<typeof LoginResult> {
    return this.deps.delivery.answer(
      context,
      await this.deps.passwordLogin.login(context.em, input, context.source),
    );
  }

  @issuesSession
  @Mutation(() => Authenticated, {
    description:
      'The second step of a sign-in. INVALID_CREDENTIALS for a wrong code: try another code. INVALID_TOKEN for a challenge that is no longer valid: sign in again. RATE_LIMITED when the account has no guesses left, even for the right code.',
  })
  async completeLogin(
    @Arg('input', () => CompleteLoginInput) input: CompleteLoginInput,
    @Ctx() context: RequestContext,
  ): Promise<Authenticated> {
    return this.deps.delivery.deliver(
      context,
      await this.deps.secondStep.complete(context.em, input, context.source),
    );
  }

  @issuesSession
  @Mutation(() => Authenticated, {
    description:
      'Rotates the refresh token. The token is taken from the argument, else from the Authorization header if that has the form of a refresh token, else from the cookie. A stale access token in the header is ignored. A client may repeat a call whose reply was lost, and gets the same successor. Within the grace (REFRESH_GRACE_SECONDS, 30 by default) it may do so any number of times. Later it may do so once, from the same network and browser. REFRESH_TOKEN_SUPERSEDED: go on with the newest token. RATE_LIMITED and SERVICE_UNAVAILABLE do not end the session: repeat later. A copy of a used token ends the session.',
  })
  async refresh(
    @Arg('refreshToken', () => String, {
      nullable: true,
      description: 'For clients that store it themselves.',
    })
    refreshToken: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<Authenticated> {
    const token = refreshToken ?? this.deps.cookies.refreshToken(context.credentials);
    return this.deps.delivery.deliver(
      context,
      await this.deps.rotation.rotate(context.em, token, originWithoutOwnWork(context)),
    );
  }

  @issuesSession
  @Authorize({ whileEnrolling: true })
  @Mutation(() => Authenticated, {
    description:
      'Authenticates the user of this session again. Raises the authentication time of the session and, with a code, its assurance level. Give at least one proof and at most one of the two codes; every given proof must be right. The session keeps its id. Only the new tokens have the new time and level.',
  })
  async reauthenticate(
    @Args(() => ReauthenticateArgs) offered: ReauthenticateArgs,
    @Ctx() context: RequestContext,
  ): Promise<Authenticated> {
    return this.deps.delivery.deliver(context, await this.deps.reauthentication.prove(context, offered));
  }

  @FieldResolver(() => UserType)
  async user(@Root() { userId }: Authenticated, @Ctx() { em }: RequestContext): Promise<UserType> {
    const account = await readAccount(em, userId);
    if (!account) throw new Unauthenticated('the account is gone');
    return account;
  }
}

/**
 * Returns the source of the request. Its start is moved later, by the time that earlier fields of the document took.
 * Otherwise a thief could put slow fields first: then the request would count as late, and copies of a token would
 * never count as reuse.
 */
function originWithoutOwnWork({ source, severalFieldsSince }: RequestContext): RequestSource {
  const { completeSince } = source;
  if (completeSince === undefined || severalFieldsSince === undefined) return source;
  return { ...source, completeSince: completeSince + performance.now() - severalFieldsSince };
}
