import { GraphQLEmailAddress } from 'graphql-scalars';
import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import {
  Authorize,
  batched,
  type Caller,
  CurrentCaller,
  type RequestContext,
} from '../platform/request/index.ts';
import { UserType } from './account.types.ts';
import type { EmailChange } from './email-change.ts';
import type { EmailConfirmation } from './email-confirmation.ts';

/** The address of an account: its proof and its change. */
@Resolver(() => UserType)
export class EmailResolver {
  private readonly pendingEmailOf: (context: RequestContext, userId: string) => Promise<string | undefined>;

  constructor(
    private readonly confirmation: EmailConfirmation,
    private readonly change: EmailChange,
  ) {
    this.pendingEmailOf = batched((em, userIds) => change.pendingAddresses(em, userIds));
  }

  @FieldResolver(() => GraphQLEmailAddress, {
    nullable: true,
    description: 'An e-mail address that was asked for by changeEmail and is not confirmed yet.',
  })
  async pendingEmail(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<string | null> {
    return (await this.pendingEmailOf(context, id)) ?? null;
  }

  @Mutation(() => UserType, {
    description:
      'Uses the token of a mailed link: confirms the address, makes the account of a registration that waited for it, or completes changeEmail. INVALID_TOKEN for one that is unknown, expired, used or voided.',
  })
  async confirmEmail(
    @Arg('token', () => String, { description: 'From the fragment of the link.' }) token: string,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.confirmation.confirm(em, token, origin));
  }

  @Mutation(() => Boolean, {
    description: 'Mails a new confirmation link. Always true, whether or not the address has an account.',
  })
  async resendEmailConfirmation(
    @Arg('email', () => GraphQLEmailAddress) email: string,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<boolean> {
    await this.confirmation.resend(em, email, origin);
    return true;
  }

  @Authorize()
  @Mutation(() => UserType, {
    description:
      'Mails a link to the new address and a notice to the old one, with an undo link where that was confirmed; the address changes when the link is used. Answers the same for an address that has an account.',
  })
  async changeEmail(
    @Arg('newEmail', () => GraphQLEmailAddress) newEmail: string,
    @Arg('password', () => String, {
      nullable: true,
      description: 'Required when the account has one; without one, a sign-in within five minutes counts.',
    })
    password: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.change.request(em, caller, { newEmail, password }, origin));
  }

  @Authorize()
  @Mutation(() => UserType, {
    description: 'Voids the link of a change that is under way. Also fine where there is none.',
  })
  async cancelEmailChange(
    @CurrentCaller() caller: Caller,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.change.cancel(em, caller, origin));
  }
}
