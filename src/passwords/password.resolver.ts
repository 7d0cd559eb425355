import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { Authorize, type Caller, CurrentCaller, type RequestContext } from '../platform/request/index.ts';
import type { PasswordChange } from './password-change.ts';

@Resolver()
export class PasswordResolver {
  constructor(private readonly passwordChange: PasswordChange) {}

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      "Replaces the caller's password and ends every other session. currentPassword is required when the account has a password; without one, a sign-in within five minutes counts.",
  })
  async changePassword(
    @Arg('newPassword', () => String) newPassword: string,
    @Arg('currentPassword', () => String, { nullable: true }) currentPassword: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<boolean> {
    await this.passwordChange.change(em, caller, { current: currentPassword, next: newPassword }, origin);
    return true;
  }
}
