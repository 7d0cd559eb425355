import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { readAccount, UserType } from '../accounts/index.ts';
import { issuesSession, LoginResult, type TokenDelivery } from '../authentication/index.ts';
import { NotFound, Unauthenticated } from '../platform/errors.ts';
import {
  Authorize,
  batched,
  type Caller,
  type CookieStyle,
  CurrentCaller,
  RECENT_FOR_OWNERS,
  type RequestContext,
} from '../platform/request/index.ts';
import type { SessionRenewals } from '../sessions/index.ts';
import { bindingCookieName } from './google.routes.ts';
import { GoogleSignInType } from './google.types.ts';
import type { GoogleIdentities } from './google-identities.ts';
import type { GoogleLinking } from './google-linking.ts';
import type { GoogleSignIn } from './google-sign-in.ts';

const OFF = 'NOT_FOUND when Google sign-in is not set up.';

/** The parts that exist when GOOGLE_CLIENT_ID is set. */
export interface GoogleFeature {
  readonly signIn: GoogleSignIn;
  readonly linking: GoogleLinking;
}

/** The parts that `GoogleResolver` uses. */
export interface GoogleResolverDependencies {
  readonly feature: GoogleFeature | null;
  readonly identities: GoogleIdentities;
  readonly delivery: TokenDelivery;
  readonly cookies: CookieStyle;
  readonly renewals: SessionRenewals;
}

@Resolver(() => UserType)
export class GoogleResolver {
  private readonly isLinked: (context: RequestContext, userId: string) => Promise<true | undefined>;

  constructor(private readonly deps: GoogleResolverDependencies) {
    this.isLinked = batched((em, userIds) => deps.identities.linkedAmong(em, userIds));
  }

  @Mutation(() => GoogleSignInType, {
    description: `Issues the nonce for an ID token. Call loginWithGoogle or linkGoogle with that token within ten minutes. ${OFF}`,
  })
  async startGoogleSignIn(@Ctx() { em, source }: RequestContext): Promise<GoogleSignInType> {
    const { token: nonce, expiresAt } = await this.on.signIn.start(em, source);
    return Object.assign(new GoogleSignInType(), { nonce, expiresAt });
  }

  @issuesSession
  @Mutation(() => LoginResult, {
    description: `Signs in by an ID token from One Tap or a native app. Creates the account of a new person. INVALID_CREDENTIALS when anything is wrong with the token or the account. SERVICE_UNAVAILABLE while the keys of Google or a part of the gateway are unavailable: the token may be used up, so start again with a new one. ${OFF}`,
  })
  async loginWithGoogle(
    @Arg('idToken', () => String, {
      description: 'An ID token that was requested with a nonce of startGoogleSignIn.',
    })
    idToken: string,
    @Arg('nonce', () => String, {
      nullable: true,
      description:
        'The nonce of startGoogleSignIn. Needed only when Google got its SHA-256. When given, it must match the token.',
    })
    nonce: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<typeof LoginResult> {
    const outcome = await this.on.signIn.byIdToken(context.em, idToken, nonce, context.source);
    return this.deps.delivery.answer(context, outcome);
  }

  @issuesSession
  @Mutation(() => LoginResult, {
    description: `Completes the redirect flow of /oauth/google/start. It works once, within two minutes, and only in the browser that started the flow and has its cookie. Otherwise INVALID_TOKEN: start again. Start again after SERVICE_UNAVAILABLE too, because the code may be used up. ${OFF}`,
  })
  async completeGoogleLogin(
    @Arg('code', () => String, { description: 'From the fragment of the URL.' }) code: string,
    @Ctx() context: RequestContext,
  ): Promise<typeof LoginResult> {
    const { signIn } = this.on;
    const cookieName = bindingCookieName(this.deps.cookies);
    const browser = context.credentials.cookies[cookieName];
    const outcome = await signIn.byResult(context.em, code, browser, context.source);
    context.setCookie(cookieName, '', this.deps.cookies.attributes(0));
    return this.deps.delivery.answer(context, outcome);
  }

  @Authorize({ maxAgeSeconds: RECENT_FOR_OWNERS })
  @Mutation(() => UserType, {
    description: `Links a Google account, which can then sign in. Needs a sign-in or reauthenticate within the last five minutes. CONFLICT when the Google account is linked to another account, or this account has another one. The owner gets a mail. ${OFF}`,
  })
  async linkGoogle(
    @Arg('idToken', () => String, {
      description: 'An ID token that was requested with a nonce of startGoogleSignIn.',
    })
    idToken: string,
    @CurrentCaller() caller: Caller,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    const renewal = this.deps.renewals.of(context, caller, 'cookies');
    await this.on.linking.link(context, idToken, renewal);
    await renewal.deliver();
    return account(context, caller);
  }

  @Authorize({ maxAgeSeconds: RECENT_FOR_OWNERS })
  @Mutation(() => UserType, {
    description: `Unlinks the Google account. Needs a sign-in or reauthenticate within the last five minutes. CONFLICT when the account has no other way to sign in. The owner gets a mail. ${OFF}`,
  })
  async unlinkGoogle(@CurrentCaller() caller: Caller, @Ctx() context: RequestContext): Promise<UserType> {
    const renewal = this.deps.renewals.of(context, caller, 'cookies');
    await this.on.linking.unlink(context, renewal);
    await renewal.deliver();
    return account(context, caller);
  }

  @FieldResolver(() => Boolean, { description: 'Whether a Google account can sign in to the account.' })
  async googleLinked(@Root() { id, isPending }: UserType, @Ctx() context: RequestContext): Promise<boolean> {
    return !isPending && ((await this.isLinked(context, id)) ?? false);
  }

  private get on(): GoogleFeature {
    if (!this.deps.feature) throw new NotFound('Google sign-in is not set up here.');
    return this.deps.feature;
  }
}

async function account({ em }: RequestContext, { userId }: Caller): Promise<UserType> {
  const user = await readAccount(em, userId);
  if (!user) throw new Unauthenticated('the account is gone');
  return user;
}
