import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { Authorize, batched, type RequestContext } from '../platform/request/index.ts';
import { UserType } from './account.types.ts';
import { EmailAddressScalar } from './email-address.scalar.ts';
import type { EmailChange } from './email-change.ts';
import type { EmailConfirmation } from './email-confirmation.ts';
import type { RegistrationCookie } from './registration-cookie.ts';

/** Confirms and changes the e-mail address of an account. */
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
    description: 'An e-mail address that changeEmail or updateUser requested and that is not confirmed yet.',
  })
  async pendingEmail(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<string | null> {
    return (await this.pendingEmailOf(context, id)) ?? null;
  }

  @Mutation(() => UserType, {
    description:
      'Uses the token of a mailed link: confirms the address, turns a pending registration into an account, or completes changeEmail. A registration is confirmed in the browser that made it, in a session of its account, or with its password. Without any of these, BAD_USER_INPUT names `password`. INVALID_CREDENTIALS for a wrong password. The token stays valid after both errors. INVALID_TOKEN for a token that is unknown, expired, used or voided. The first confirmation of an address voids every other registration of it.',
  })
  async confirmEmail(
    @Arg('token', () => String, { description: 'From the fragment of the link.' }) token: string,
    @Arg('password', () => String, {
      nullable: true,
      description:
        'The password of the registration. Needed when the link opens in another browser than the one that registered.',
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
      'Mails new confirmation links: for the registration that this browser made, or else for each registration that waits for the address. Always true, so the answer does not tell whether the address has an account.',
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
      'Mails a link to the new address, and a notice to the old one. The address changes when the link is used. The notice has an undo link when the old address was confirmed. The answer does not tell whether the new address has an account.',
  })
  async changeEmail(
    @Arg('newEmail', () => EmailAddressScalar) newEmail: string,
    @Arg('password', () => String, {
      nullable: true,
      description:
        'Required when the account has a password. Without a password, a sign-in within the last five minutes is enough.',
    })
    password: string | null | undefined,
    @Ctx() context: RequestContext,
  ): Promise<UserType> {
    return UserType.of(await this.change.request(context, { newEmail, password }));
  }

  @Authorize()
  @Mutation(() => UserType, {
    description:
      'Voids the link of a requested change of address. Succeeds also when no change was requested.',
  })
  async cancelEmailChange(@Ctx() context: RequestContext): Promise<UserType> {
    return UserType.of(await this.change.cancel(context));
  }
}
