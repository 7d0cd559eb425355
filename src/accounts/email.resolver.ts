import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import {
  Authorize,
  batched,
  type Caller,
  CurrentCaller,
  type RequestContext,
} from '../platform/request/index.ts';
import { UserType } from './account.types.ts';
import { EmailAddressScalar } from './email-address.scalar.ts';
import type { EmailChange } from './email-change.ts';
import type { EmailConfirmation } from './email-confirmation.ts';
import type { RegistrationCookie } from './registration-cookie.ts';

/** The address of an account: its proof and its change. */
@Resolver(() => UserType)
export class EmailResolver {
  private readonly pendingEmailOf: (context: RequestContext, userId: string) => Promise<string | undefined>;

  constructor(
    private readonly confirmation: EmailConfirmation,
    private readonly change: EmailChange,
    private readonly registrationCookie: RegistrationCookie,
  ) {
    this.pendingEmailOf = batched((em, userIds) => change.pendingAddresses(em, userIds));
  }

  @FieldResolver(() => EmailAddressScalar, {
    nullable: true,
    description:
      'An e-mail address that was asked for by changeEmail or updateUser and is not confirmed yet.',
  })
  async pendingEmail(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<string | null> {
    return (await this.pendingEmailOf(context, id)) ?? null;
  }

  @Mutation(() => UserType, {
    description:
      'Uses the token of a mailed link: confirms the address, makes the account of a registration that waited for it, or completes changeEmail. A registration is confirmed by the browser that made it, by a session of its account, or by its password: without any of them BAD_USER_INPUT names `password`, and INVALID_CREDENTIALS is a wrong one; both leave the token good. INVALID_TOKEN for a token that is unknown, expired, used or voided. The first confirmation of an address voids every other registration of it.',
  })
  async confirmEmail(
    @Arg('token', () => String, { description: 'From the fragment of the link.' }) token: string,
    @Arg('password', () => String, {
      nullable: true,
      description:
        'Of the registration. Needed where the link opens in another browser than the one that registered.',
    })
    password: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    const claim = {
      mark: this.registrationCookie.read(context),
      password,
      caller: () => context.authenticate(),
    };
    return UserType.of(await this.confirmation.confirm(context.em, token, claim, context.source));
  }

  @Mutation(() => Boolean, {
    description:
      'Mails new confirmation links: of the registration that this browser made, or of each that waits for the address. Always true, whether or not the address has an account.',
  })
  async resendEmailConfirmation(
    @Arg('email', () => EmailAddressScalar) email: string,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    await this.confirmation.resend(context.em, email, this.registrationCookie.read(context), context.source);
    return true;
  }

  @Authorize()
  @Mutation(() => UserType, {
    description:
      'Mails a link to the new address and a notice to the old one, with an undo link where that was confirmed; the address changes when the link is used. Answers the same for an address that has an account.',
  })
  async changeEmail(
    @Arg('newEmail', () => EmailAddressScalar) newEmail: string,
    @Arg('password', () => String, {
      nullable: true,
      description: 'Required when the account has one; without one, a sign-in within five minutes counts.',
    })
    password: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.change.request(em, caller, { newEmail, password }, source));
  }

  @Authorize()
  @Mutation(() => UserType, {
    description: 'Voids the link of a change that is under way. Also fine where there is none.',
  })
  async cancelEmailChange(
    @CurrentCaller() caller: Caller,
    @Ctx() { em, source }: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.change.cancel(em, caller, source));
  }
}
