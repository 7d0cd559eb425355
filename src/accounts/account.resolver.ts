import { Arg, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Passwords } from '../passwords/index.ts';
import { Unauthenticated } from '../platform/errors.ts';
import {
  Authorize,
  batched,
  type Caller,
  CurrentCaller,
  type RequestContext,
} from '../platform/request/index.ts';
import { PublicProfile, RegisterInput, UpdateProfileInput, UserType } from './account.types.ts';
import { readAccount } from './account-read.ts';
import type { Profiles } from './profile.ts';
import type { Registration } from './registration.ts';
import type { RegistrationCookie } from './registration-cookie.ts';
import { User } from './user.entity.ts';

@Resolver(() => UserType)
export class AccountResolver {
  private readonly hasPasswordOf: (context: RequestContext, userId: string) => Promise<true | undefined>;

  constructor(
    private readonly registration: Registration,
    private readonly profiles: Profiles,
    private readonly registrationCookie: RegistrationCookie,
    passwords: Passwords,
  ) {
    this.hasPasswordOf = batched((em, userIds) => passwords.holders(em, userIds));
  }

  @FieldResolver(() => Boolean, {
    description: 'False for an account that signs in only by Google or Blockpass.',
  })
  async hasPassword(@Root() { id, isPending }: UserType, @Ctx() context: RequestContext): Promise<boolean> {
    return isPending || ((await this.hasPasswordOf(context, id)) ?? false);
  }

  @Authorize({ whileEnrolling: true })
  @Query(() => UserType, {
    nullable: true,
    description:
      'The signed-in user. Null, with an UNAUTHENTICATED error, for a caller who is not signed in.',
  })
  async me(@CurrentCaller() { userId }: Caller, @Ctx() { em }: RequestContext): Promise<UserType | null> {
    const account = await readAccount(em, userId);
    if (!account) throw new Unauthenticated('the account is gone');
    return account;
  }

  @Query(() => PublicProfile, {
    nullable: true,
    description: 'The public profile of an active account. Null for every other username.',
  })
  async publicProfile(
    @Arg('username', () => String) username: string,
    @Ctx() { em, source }: RequestContext,
  ): Promise<PublicProfile | null> {
    const user = await this.profiles.findPublic(em, username, source);
    return user && PublicProfile.of(user);
  }

  @Mutation(() => UserType, {
    description:
      'Creates an account and mails a confirmation link. Does not sign in: call login next. BAD_USER_INPUT names the refused fields. CONFLICT for a username or e-mail address that is taken. With EMAIL_CONFIRMATION=required, the account exists only after the link was used; until then no answer tells whether the address has an account. Sets a cookie, so that confirmEmail needs no password in this browser.',
  })
  async register(
    @Arg('input', () => RegisterInput) input: RegisterInput,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    const { account, mark } = await this.registration.register(context.em, input, context.source);
    if (mark !== null) this.registrationCookie.set(context, mark);
    return account instanceof User ? UserType.of(account) : UserType.pending(account);
  }

  @Authorize()
  @Mutation(() => UserType, {
    description: "Changes the caller's own profile. CONFLICT for a username that is taken.",
  })
  async updateProfile(
    @Arg('input', () => UpdateProfileInput) input: UpdateProfileInput,
    @CurrentCaller() { userId }: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.profiles.update(em, userId, input, source));
  }
}
