import {
  Arg,
  Ctx,
  FieldResolver,
  ID,
  Mutation,
  Query,
  Resolver,
  Root,
  type SubscribeResolverData,
  Subscription,
} from 'type-graphql';
import { issuesSession, LoginResult, type TokenDelivery } from '../../authentication/index.ts';
import { NotFound } from '../../platform/errors.ts';
import { qrCodePng } from '../../platform/qr-code.ts';
import {
  type CookieStyle,
  type Demand,
  type RequestContext,
  resolverOf,
} from '../../platform/request/index.ts';
import { BlockpassSignInType } from './blockpass-sign-in.types.ts';
import { BLOCKPASS } from './provider.ts';
import type { SignInWatch } from './sign-in-watch.ts';
import type { SignInClaim, SignInView, WebsiteSignIns } from './website-sign-ins.ts';

export interface SignInPageOptions {
  readonly clientId: string;
  /** URL scheme of links that open the app. */
  readonly appScheme: string;
  /** Whether a cookie also binds the sign-in to the browser. */
  readonly bindingCookie: boolean;
}

interface SignInArguments {
  readonly id: string;
  readonly secret?: string | null;
}

const secretArgument = {
  nullable: true,
  description: 'Required unless the browser has the binding cookie.',
} as const;

/** The parts that `BlockpassSignInResolver` uses. */
export interface BlockpassSignInResolverDependencies {
  readonly signIns: WebsiteSignIns;
  readonly watch: SignInWatch;
  readonly delivery: TokenDelivery;
  readonly cookies: CookieStyle;
  readonly demand: Demand;
  readonly options: SignInPageOptions;
}

@Resolver(() => BlockpassSignInType)
export class BlockpassSignInResolver {
  private readonly cookieName: string;

  constructor(private readonly deps: BlockpassSignInResolverDependencies) {
    this.cookieName = bindingCookieName(deps.cookies);
  }

  @Mutation(() => BlockpassSignInType, {
    description:
      'Begins a sign-in by QR code. If the caller is signed in, a new Blockpass identity is linked to their account. The newest sign-in has the binding cookie; older ones need their secret.',
  })
  async startBlockpassSignIn(@Ctx() context: RequestContext): Promise<BlockpassSignInType> {
    const authenticated = await context.authenticate();
    // A caller who must first enrol a second factor may do nothing else. Linking would be another way to sign in.
    const caller = authenticated?.enrolmentRequired ? null : authenticated;
    const { secret, ...view } = await this.deps.signIns.start(context.em, caller, context.source);
    if (this.deps.options.bindingCookie) {
      const seconds = Math.max(0, Math.floor((view.expiresAt.getTime() - Date.now()) / 1000));
      context.setCookie(this.cookieName, secret, this.deps.cookies.attributes(seconds));
    }
    return this.shown(view, secret);
  }

  @Query(() => BlockpassSignInType, {
    nullable: true,
    description: 'The state of a sign-in, for the client that started it. Null for any other client.',
  })
  async blockpassSignIn(
    @Arg('id', () => ID) id: string,
    @Arg('secret', () => String, secretArgument) secret: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<BlockpassSignInType | null> {
    const view = await this.deps.signIns.look(context.em, this.claim(id, secret, context), context.source);
    return view && this.shown(view);
  }

  @Subscription(() => BlockpassSignInType, {
    name: 'blockpassSignIn',
    description: 'The state of a sign-in, at once and after every change. Ends with a final state.',
    subscribe: ({ context, args, info }: SubscribeResolverData<unknown, SignInArguments, RequestContext>) =>
      resolverOf(info.schema, BlockpassSignInResolver).follow(context, args),
  })
  followBlockpassSignIn(
    @Root() view: SignInView,
    @Arg('id', () => ID) _id: string,
    @Arg('secret', () => String, secretArgument) _secret: string | null | undefined,
  ): BlockpassSignInType {
    return this.shown(view);
  }

  /** Follows a sign-in. @throws {NotFound} the client did not start it. */
  async follow(context: RequestContext, { id, secret }: SignInArguments): Promise<AsyncIterable<SignInView>> {
    const view = await this.deps.signIns.look(context.em, this.claim(id, secret, context), context.source);
    if (!view) throw new NotFound();
    return this.deps.watch.follow(view);
  }

  @issuesSession
  @Mutation(() => LoginResult, {
    description:
      'Exchanges a succeeded sign-in for a session. Works once, for the client that started it. Creates the account of a new person. INVALID_TOKEN when it has not succeeded, has expired, was used, or belongs to another client. CONFLICT when the account to link has another Blockpass identity. REAUTHENTICATION_REQUIRED when the caller did not authenticate in the five minutes before they began to link: reauthenticate, then call it again.',
  })
  async completeBlockpassSignIn(
    @Arg('id', () => ID) id: string,
    @Arg('secret', () => String, secretArgument) secret: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<typeof LoginResult> {
    const caller = await context.authenticate();
    const claim = this.claim(id, secret, context);
    const prove = (maxAgeSeconds: number) => this.deps.demand(context, { maxAgeSeconds });
    const linker = caller && { caller, prove };
    const outcome = await this.deps.signIns.complete(context.em, claim, linker, context.source);
    if (this.deps.options.bindingCookie)
      context.setCookie(this.cookieName, '', this.deps.cookies.attributes(0));
    return this.deps.delivery.answer(context, outcome);
  }

  @FieldResolver(() => String, { description: 'The QR code: PNG as a data: URL.' })
  async qrCode(@Root() signIn: BlockpassSignInType): Promise<string> {
    signIn.drawing ??= qrCodePng(signIn.qrText);
    return signIn.drawing;
  }

  private claim(id: string, secret: string | null | undefined, { credentials }: RequestContext): SignInClaim {
    return { id, secret: secret ?? credentials.cookies[this.cookieName] };
  }

  private shown(view: SignInView, secret: string | null = null): BlockpassSignInType {
    const { clientId, appScheme } = this.deps.options;
    const session = view.sessionCode;
    return Object.assign(new BlockpassSignInType(), {
      id: view.id,
      secret,
      state: view.state,
      qrText: JSON.stringify({ clientId, session }),
      appLink: `${appScheme}://service-register/${encodeURIComponent(clientId)}?session=${encodeURIComponent(session)}`,
      expiresAt: view.expiresAt,
    });
  }
}

/** The name of the cookie that binds a sign-in to the browser that started it. */
export const bindingCookieName = (cookies: CookieStyle): string => cookies.name(BLOCKPASS.name);
