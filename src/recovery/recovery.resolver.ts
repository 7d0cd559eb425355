import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { EmailAddressScalar } from '../accounts/index.ts';
import type { DeviceCookie } from '../devices/index.ts';
import type { RequestContext } from '../platform/request/index.ts';
import type { AccountRecovery } from './account-recovery.ts';
import type { EmailChangeUndo } from './email-change-undo.ts';

/** Operations for owners who cannot sign in. */
@Resolver()
export class RecoveryResolver {
  constructor(
    private readonly recovery: AccountRecovery,
    private readonly changeUndo: EmailChangeUndo,
    private readonly deviceCookie: DeviceCookie,
  ) {}

  @Mutation(() => Boolean, {
    description:
      'Mails a link to set a new password. Always true, so the answer does not tell whether the address has an account. Nothing changes until the link is used.',
  })
  async recoverAccount(
    @Arg('email', () => EmailAddressScalar) email: string,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.recovery.ask(em, email, source);
    return true;
  }

  @Mutation(() => Boolean, {
    description:
      'Sets a new password by a mailed token, ends every session and voids all other mailed links. Does not sign in. From then on this device is known, by a cookie, and all other devices are forgotten. A second factor and linked identities stay if the address was confirmed before. Otherwise they are removed, because the person who added them did not prove to be the owner. After BAD_USER_INPUT the token stays valid; INVALID_TOKEN changes nothing.',
  })
  async resetPassword(
    @Arg('token', () => String, { description: 'From the fragment of the link.' }) token: string,
    @Arg('newPassword', () => String) newPassword: string,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    const mark = await this.recovery.reset(context.em, token, newPassword, context.source);
    this.deviceCookie.set(context, mark);
    return true;
  }

  @Mutation(() => Boolean, {
    description:
      'Undoes a change of address by the token in the notice to the old address, for 72 hours, whatever happened since. Restores the old address, ends all sessions, forgets all devices and cancels later changes. Removes the password, every linked identity, and a second factor and recovery codes that were added in the 24 hours before the request or later. Mails a link to set a new password.',
  })
  async undoEmailChange(
    @Arg('token', () => String, { description: 'From the fragment of the link.' }) token: string,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.changeUndo.undo(em, token, source);
    return true;
  }
}
