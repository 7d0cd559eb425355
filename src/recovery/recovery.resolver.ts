import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { EmailAddressScalar } from '../accounts/index.ts';
import type { DeviceCookie } from '../devices/index.ts';
import type { RequestContext } from '../platform/request/index.ts';
import type { AccountRecovery } from './account-recovery.ts';
import type { EmailChangeUndo } from './email-change-undo.ts';

/** Ways back into an account for its owner. */
@Resolver()
export class RecoveryResolver {
  constructor(
    private readonly recovery: AccountRecovery,
    private readonly changeUndo: EmailChangeUndo,
    private readonly deviceCookie: DeviceCookie,
  ) {}

  @Mutation(() => Boolean, {
    description:
      'Mails a link for a new password. Always true, whether or not the address has an account; nothing changes until the link is used.',
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
      'Sets a new password by a mailed token, ends every session and voids what else was mailed. Signs nobody in, but the device is known from then on, by a cookie, and no other is; a second factor and linked identities stay, unless the address was never confirmed before: then whoever set them up did not prove to be the owner, and they go. BAD_USER_INPUT leaves the token good, INVALID_TOKEN changes nothing.',
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
      'From the notice at the old address, for 72 hours, whatever happened since: restores it, ends all sessions, forgets all devices, cancels later changes, removes the password, every linked identity, and a second factor and recovery codes that are newer than a day before the request, and mails a link to set a new password.',
  })
  async undoEmailChange(
    @Arg('token', () => String, { description: 'From the fragment of the link.' }) token: string,
    @Ctx() { em, source }: RequestContext,
  ): Promise<boolean> {
    await this.changeUndo.undo(em, token, source);
    return true;
  }
}
