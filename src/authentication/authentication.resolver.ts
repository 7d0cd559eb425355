import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { readAccount, UserType } from '../accounts/index.ts';
import { FACTOR_ARGUMENTS } from '../authenticators/index.ts';
import { Unauthenticated } from '../platform/errors.ts';
import {
  Authorize,
  type Caller,
  CurrentCaller,
  type RequestContext,
  type RequestSource,
} from '../platform/request/index.ts';
import type { RefreshRotation, TokenCookies } from '../sessions/index.ts';
import { Authenticated, CompleteLoginInput, LoginInput, LoginResult } from './authentication.types.ts';
import type { PasswordLogin } from './password-login.ts';
import type { Reauthentication } from './reauthentication.ts';
import type { SecondStep } from './second-step.ts';
import { issuesSession, type TokenDelivery } from './token-delivery.ts';

/** What `AuthenticationResolver` works with. */
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
      'Signs in. INVALID_CREDENTIALS never says which part was wrong; RATE_LIMITED comes before the password is looked at.',
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
      'The second step of a sign-in. INVALID_CREDENTIALS for a wrong code, which may be followed by another; INVALID_TOKEN for a challenge that is no longer good: sign in again; RATE_LIMITED when the account has no guess left, also for the right code.',
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
      'Rotates the refresh token, taken from the argument, else the Authorization header when that has the form of a refresh token, else the cookie. A stale access token in the header does not get in the way. A call whose reply was lost may be repeated and gets the same successor: within the grace (REFRESH_GRACE_SECONDS, 30 by default), and later once, from the same network and browser. REFRESH_TOKEN_SUPERSEDED: go on with the newest token. RATE_LIMITED and SERVICE_UNAVAILABLE do not end the session: repeat later. A copy of a used token ends the session.',
  })
  async refresh(
    @Arg('refreshToken', () => String, {
      nullable: true,
      description: 'For clients that keep it themselves.',
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
      'Proves presence again in this session: raises its authentication time, and its assurance level with a code. At least one proof is needed, at most one of the codes, and all that are given must be right. The session keeps its id; the tokens are new, and only they have the new strength.',
  })
  async reauthenticate(
    @Arg('password', () => String, { nullable: true, description: 'Of the account.' })
    password: string | null | undefined,
    @Arg('securityCode', () => String, {
      nullable: true,
      description: `${FACTOR_ARGUMENTS.securityCode} Raises the session to level 2.`,
    })
    securityCode: string | null | undefined,
    @Arg('recoveryCode', () => String, {
      nullable: true,
      description: `${FACTOR_ARGUMENTS.recoveryCode} Raises the session to level 2.`,
    })
    recoveryCode: string | null | undefined,
    @Arg('googleIdToken', () => String, {
      nullable: true,
      description: 'Of the Google account that is linked, asked for with a nonce of startGoogleSignIn.',
    })
    googleIdToken: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() context: RequestContext,
  ): Promise<Authenticated> {
    const offered = { password, securityCode, recoveryCode, googleIdToken };
    return this.deps.delivery.deliver(
      context,
      await this.deps.reauthentication.prove(context.em, caller, offered, context.source),
    );
  }

  @FieldResolver(() => UserType)
  async user(@Root() { userId }: Authenticated, @Ctx() { em }: RequestContext): Promise<UserType> {
    const account = await readAccount(em, userId);
    if (!account) throw new Unauthenticated('the account is gone');
    return account;
  }
}

/**
 * The time of fields that the client put before this one does not make its request late. A thief could otherwise put slow
 * fields first, and present copies of a token that never count as reuse.
 */
function originWithoutOwnWork({ source, severalFieldsSince }: RequestContext): RequestSource {
  const { completeSince } = source;
  if (completeSince === undefined || severalFieldsSince === undefined) return source;
  return { ...source, completeSince: completeSince + performance.now() - severalFieldsSince };
}
