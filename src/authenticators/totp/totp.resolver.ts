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
import type { SessionRenewals } from '../../sessions/index.ts';
import type { AccountFactors } from '../account-factors.ts';
import { RecoveryCodesType } from '../recovery-codes/recovery-code.types.ts';
import type { SecondFactorChanges } from '../second-factor-changes.ts';
import { FACTOR_ARGUMENTS } from '../second-factor-input.ts';
import { TotpEnrolmentType } from './totp.types.ts';
import type { TotpEnrolments } from './totp-enrolments.ts';

const PASSWORD = 'Required when the account has one; without one, a sign-in within five minutes counts.';

@Resolver(() => UserType)
export class TotpResolver {
  private readonly isProtected: (context: RequestContext, userId: string) => Promise<true | undefined>;

  constructor(
    private readonly enrolments: TotpEnrolments,
    private readonly changes: SecondFactorChanges,
    private readonly renewals: SessionRenewals,
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
    @Ctx() { em, source }: RequestContext,
  ): Promise<TotpEnrolmentType> {
    const started = await this.enrolments.start(em, caller, password, source);
    const [qrCode, svg] = await Promise.all([qrCodePng(started.uri), qrCodeSvg(started.uri)]);
    return { ...started, qrCode, qrCodeSvg: svg };
  }

  @Authorize({ whileEnrolling: true })
  @Mutation(() => RecoveryCodesType, {
    description:
      'Turns the new secret on, raises this session to level 2, ends the others, replaces the recovery codes. `tokens` are the new ones: the refresh token at hand is superseded, the access token stays good and says level 1. NOT_FOUND when this session has no enrolment under way.',
  })
  async confirmTotp(
    @Arg('securityCode', () => String, { description: 'Of the app, made from the new secret.' }) code: string,
    @CurrentCaller() caller: Caller,
    @Ctx() context: RequestContext,
  ): Promise<RecoveryCodesType> {
    const renewal = this.renewals.of(context, caller, 'tokens');
    const codes = await this.enrolments.confirm(context.em, caller, code, context.source, renewal);
    return { codes, renewed: await renewal.deliver() };
  }

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      'Turns the second factor off, voids the recovery codes and ends every other session; a caller with cookies gets new ones. Exactly one of the two codes. CONFLICT when it is off already.',
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
    @Ctx() context: RequestContext,
  ): Promise<boolean> {
    const renewal = this.renewals.of(context, caller, 'cookies');
    const offered = { password, securityCode, recoveryCode };
    await this.changes.disable(context.em, caller, offered, context.source, renewal);
    await renewal.deliver();
    return true;
  }
}
