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
import { protectedAmong } from '../protected-accounts.ts';
import { RecoveryCodesType } from '../recovery-codes/recovery-code.types.ts';
import type { SecondFactorChanges } from '../second-factor-changes.ts';
import { FACTOR_ARGUMENTS } from '../second-factor-input.ts';
import { TotpEnrolmentType } from './totp.types.ts';
import type { TotpEnrolments } from './totp-enrolments.ts';

const PASSWORD =
  'Required when the account has a password. Without a password, a sign-in within the last five minutes is enough.';

@Resolver(() => UserType)
export class TotpResolver {
  private readonly isProtected = batched(protectedAmong);

  constructor(
    private readonly enrolments: TotpEnrolments,
    private readonly changes: SecondFactorChanges,
    private readonly renewals: SessionRenewals,
  ) {}

  @FieldResolver(() => Boolean, { description: 'Whether sign-ins need a code of an authenticator app.' })
  async totpEnabled(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<boolean> {
    return (await this.isProtected(context, id)) ?? false;
  }

  @Authorize({ whileEnrolling: true, aal: 'highest' })
  @Mutation(() => TotpEnrolmentType, {
    description:
      'Starts TOTP enrolment for the caller. It replaces an unconfirmed enrolment; an authenticator in use stays valid until confirmTotp. When TOTP is on already, it needs assurance level 2, which a recovery code gives.',
  })
  async enrollTotp(
    @Arg('password', () => String, { nullable: true, description: PASSWORD }) password:
      | string
      | null
      | undefined,
    @Ctx() context: RequestContext,
  ): Promise<TotpEnrolmentType> {
    const started = await this.enrolments.start(context, password);
    const [qrCode, svg] = await Promise.all([qrCodePng(started.uri), qrCodeSvg(started.uri)]);
    return { ...started, qrCode, qrCodeSvg: svg };
  }

  @Authorize({ whileEnrolling: true })
  @Mutation(() => RecoveryCodesType, {
    description:
      'Turns the new secret on, raises this session to level 2, ends all others and replaces the recovery codes. `tokens` supersede the present refresh token. The present access token stays valid with level 1. NOT_FOUND when this session has no unconfirmed enrolment.',
  })
  async confirmTotp(
    @Arg('securityCode', () => String, { description: 'A code that the app made from the new secret.' })
    code: string,
    @CurrentCaller() caller: Caller,
    @Ctx() context: RequestContext,
  ): Promise<RecoveryCodesType> {
    const renewal = this.renewals.of(context, caller, 'tokens');
    const codes = await this.enrolments.confirm(context, code, renewal);
    return { codes, renewed: await renewal.deliver() };
  }

  @Authorize()
  @Mutation(() => Boolean, {
    description:
      'Turns the second factor off, voids the recovery codes and ends every other session. A caller with token cookies gets new cookies. Give exactly one of the two codes. CONFLICT when it is off already.',
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
    await this.changes.disable(context, offered, renewal);
    await renewal.deliver();
    return true;
  }
}
