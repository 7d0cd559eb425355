import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import type { SecondFactorRequirement } from './second-factor-requirement.ts';
import { SessionType } from './session.types.ts';
import type { SessionStore } from './session-store.ts';
import type { SignOut } from './sign-out.ts';
import { loadSubject } from './subject.ts';
import type { TokenCookies } from './token-cookies.ts';

@Resolver(() => SessionType)
export class SessionResolver {
  constructor(
    private readonly store: SessionStore,
    private readonly signOut: SignOut,
    private readonly cookies: TokenCookies,
    private readonly requirement: SecondFactorRequirement,
  ) {}

  @FieldResolver(() => Boolean, {
    description: 'True while the account must enrol a second factor: the session can do nothing else.',
  })
  async secondFactorEnrolmentRequired(
    @Root() { id, userId }: SessionType,
    @Ctx() { em }: RequestContext,
  ): Promise<boolean> {
    const subject = await loadSubject(em, userId, id);
    return subject !== null && this.requirement.mustEnrol(subject);
  }

  @Authorize()
  @Query(() => [SessionType], { description: "The caller's active sessions, most recently used first." })
  async sessions(
    @CurrentCaller() { userId, sessionId }: Caller,
    @Ctx() { em }: RequestContext,
  ): Promise<SessionType[]> {
    const sessions = await this.store.list(em, userId);
    return sessions.map((session) => SessionType.of(session, sessionId));
  }

  @Mutation(() => Boolean, {
    description:
      'Ends the session that the access token (even an expired one), the argument or the cookie names, and clears the cookies. Always returns true.',
  })
  async logout(
    @Arg('refreshToken', () => String, {
      nullable: true,
      description: 'For clients that keep their refresh token themselves.',
    })
    refreshToken: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    const access = this.cookies.accessToken(context.credentials);
    const refresh = refreshToken ?? this.cookies.refreshToken(context.credentials);
    await this.signOut.byTokens(context.em, { access, refresh }, context.source);
    // After the sign-out: a client that must retry still needs the cookies.
    this.cookies.clear(context);
    return true;
  }

  @Authorize()
  @Mutation(() => Boolean, {
    description: "Ends one of the caller's sessions. NOT_FOUND for any other id.",
  })
  async revokeSession(
    @Arg('id', () => ID, { description: "A session's id, from sessions." }) id: string,
    @CurrentCaller() { userId }: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.signOut.byId(em, { userId, sessionId: id }, source);
    return true;
  }

  @Authorize()
  @Mutation(() => Int, { description: 'Ends every other session of the caller, and returns how many.' })
  revokeOtherSessions(
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<number> {
    return this.signOut.others(em, caller, source);
  }
}
