import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql';
import { UserType } from '../../accounts/index.ts';
import { qrCodePng, qrCodeSvg } from '../../platform/qr-code.ts';
import {
  Authorize,
  batched,
  type Caller,
  CurrentCaller,
  type RequestContext,
} from '../../platform/request/index.ts';
import type { AccountFactors } from '../account-factors.ts';
import { FACTOR_ARGUMENTS } from '../offered-factor.ts';
import { RecoveryCodesType } from '../recovery-codes/recovery-code.types.ts';
import type { SecondFactorChanges } from '../second-factor-changes.ts';
import { TotpEnrolmentType } from './totp.types.ts';
import type { TotpEnrolments } from './totp-enrolments.ts';

const PASSWORD = 'Required when the account has one; without one, a sign-in within five minutes counts.';

@Resolver(() => UserType)
export class TotpResolver {
  private readonly isProtected: (context: RequestContext, userId: string) => Promise<true | undefined>;

  constructor(
    private readonly enrolments: TotpEnrolments,
    private readonly changes: SecondFactorChanges,
    factors: AccountFactors,
  ) {
    this.isProtected = batched((em, userIds) => factors.protectedAmong(em, userIds));
  }

  @FieldResolver(() => Boolean, { description: 'Sign-ins need a code of an authenticator app.' })
  async totpEnabled(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<boolean> {
    return (await this.isProtected(context, id)) ?? false;
  }

  @Authorize({ whileEnrolling: true, aal: 'highest' })
  @Mutation(() => TotpEnrolmentType, {
    description:
      'Starts TOTP enrolment for the caller; replaces an unconfirmed one, and leaves one that is on as it is until confirmTotp. With TOTP on already, needs assurance level 2 (a recovery code gives it).',
  })
  async enrollTotp(
    @Arg('password', () => String, { nullable: true, description: PASSWORD }) password:
      | string
      | null
      | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<TotpEnrolmentType> {
    const started = await this.enrolments.start(em, caller, password, origin);
    const [qrCode, svg] = await Promise.all([qrCodePng(started.uri), qrCodeSvg(started.uri)]);
    return { ...started, qrCode, qrCodeSvg: svg };
  }

  @Authorize({ whileEnrolling: true })
  @Mutation(() => RecoveryCodesType, {
    description:
      'Turns the new secret on, raises this session to level 2, ends the others, replaces the recovery codes. The tokens at hand stay good and say level 1: refresh for new ones. NOT_FOUND when this session has no enrolment under way.',
  })
  async confirmTotp(
    @Arg('securityCode', () => String, { description: 'Of the app, made from the new secret.' }) code: string,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<RecoveryCodesType> {
    return { codes: await this.enrolments.confirm(em, caller, code, origin) };
  }

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      'Turns the second factor off, voids the recovery codes and ends every other session. Exactly one of the two codes. CONFLICT when it is off already.',
  })
  async disableTotp(
    @Arg('password', () => String, { nullable: true, description: PASSWORD }) password:
      | string
      | null
      | undefined,
    @Arg('securityCode', () => String, { nullable: true, description: FACTOR_ARGUMENTS.securityCode })
    securityCode: string | null | undefined,
    @Arg('recoveryCode', () => String, { nullable: true, description: FACTOR_ARGUMENTS.recoveryCode })
    recoveryCode: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() { em, origin }: RequestContext,
  ): Promise<boolean> {
    await this.changes.disable(em, caller, { password, securityCode, recoveryCode }, origin);
    return true;
  }
}
