import { Arg, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Passwords } from '../passwords/index.ts';
import { Unauthenticated } from '../platform/errors.ts';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import { PublicProfile, RegisterInput, UpdateProfileInput, UserType } from './account.types.ts';
import { readAccount } from './account-read.ts';
import type { Profiles } from './profile.ts';
import type { Registration } from './registration.ts';

@Resolver(() => UserType)
export class AccountResolver {
  constructor(
    private readonly registration: Registration,
    private readonly profiles: Profiles,
    private readonly passwords: Passwords,
  ) {}

  @FieldResolver(() => Boolean, {
    description: 'False for an account that only signs in by Google or Blockpass.',
  })
  async hasPassword(@Root() { id }: UserType, @Ctx() { em }: RequestContext): Promise<boolean> {
    return (await this.passwords.find(em, id)) !== null;
  }

  @Authorize()
  @Query(() => UserType, {
    nullable: true,
    description: 'The signed-in user; null together with an UNAUTHENTICATED error otherwise.',
  })
  async me(@CurrentCaller() { userId }: Caller, @Ctx() { em }: RequestContext): Promise<UserType | null> {
    const account = await readAccount(em, userId);
    if (!account) throw new Unauthenticated('the account is gone');
    return account;
  }

  @Query(() => PublicProfile, {
    nullable: true,
    description: 'What anyone may know about an active account. Null for any other name.',
  })
  publicProfile(
    @Arg('username', () => String) username: string,
    @Ctx() { em }: RequestContext,
  ): Promise<PublicProfile | null> {
    return this.profiles.findPublic(em, username).then((user) => user && PublicProfile.of(user));
  }

  @Mutation(() => UserType, {
    description:
      'Creates an account. Does not sign in: call login. BAD_USER_INPUT names the fields that were refused; CONFLICT a username or an address that is taken.',
  })
  async register(
    @Arg('input', () => RegisterInput) input: RegisterInput,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.registration.register(em, input, origin));
  }

  @Authorize()
  @Mutation(() => UserType, {
    description: "Changes the caller's own profile. CONFLICT for a username that is taken.",
  })
  async updateProfile(
    @Arg('input', () => UpdateProfileInput) input: UpdateProfileInput,
    @CurrentCaller() { userId }: Caller,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.profiles.update(em, userId, input, origin));
  }
}
