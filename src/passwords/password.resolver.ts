import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import type { DeviceCookie } from '../devices/index.ts';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import type { SessionRenewals } from '../sessions/index.ts';
import type { PasswordChange } from './password-change.ts';

@Resolver()
export class PasswordResolver {
  constructor(
    private readonly passwordChange: PasswordChange,
    private readonly renewals: SessionRenewals,
    private readonly deviceCookie: DeviceCookie,
  ) {}

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      "Replaces the caller's password, ends every other session, and forgets every other device. This device becomes known, by a cookie. A caller with token cookies gets new ones; the refresh token of a bearer stays valid. currentPassword is required when the account has a password. Without one, a sign-in within five minutes is required.",
  })
  async changePassword(
    @Arg('newPassword', () => String) newPassword: string,
    @Arg('currentPassword', () => String, { nullable: true }) currentPassword: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    const passwords = { current: currentPassword, next: newPassword };
    const renewal = this.renewals.of(context, caller, 'cookies');
    const mark = await this.passwordChange.change(context, passwords, renewal);
    this.deviceCookie.set(context, mark);
    await renewal.deliver();
    return true;
  }
}
