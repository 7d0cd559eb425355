import { Arg, Ctx, FieldResolver, Int, Mutation, Resolver, Root } from 'type-graphql';
import { UserType } from '../../accounts/index.ts';
import {
  Authorize,
  batched,
  type Caller,
  CurrentCaller,
  type RequestContext,
} from '../../platform/request/index.ts';
import type { SessionRenewals } from '../../sessions/index.ts';
import type { SecondFactorChanges } from '../second-factor-changes.ts';
import { FACTOR_ARGUMENTS } from '../second-factor-input.ts';
import { RecoveryCodesType } from './recovery-code.types.ts';
import type { RecoveryCodes } from './recovery-codes.ts';

@Resolver(() => UserType)
export class RecoveryCodeResolver {
  private readonly leftOf: (context: RequestContext, userId: string) => Promise<number | undefined>;

  constructor(
    recoveryCodes: RecoveryCodes,
    private readonly changes: SecondFactorChanges,
    private readonly renewals: SessionRenewals,
  ) {
    this.leftOf = batched((em, userIds) => recoveryCodes.counts(em, userIds));
  }

  @FieldResolver(() => Int, { description: 'The number of valid recovery codes. 0 without a second factor.' })
  async recoveryCodesLeft(@Root() { id }: UserType, @Ctx() context: RequestContext): Promise<number> {
    return (await this.leftOf(context, id)) ?? 0;
  }

  @Authorize()
  @Mutation(() => RecoveryCodesType, {
    description:
      'Makes new recovery codes and voids the previous ones. `tokens` replace the present refresh token. Give exactly one of the two codes. CONFLICT without a second factor.',
  })
  async regenerateRecoveryCodes(
    @Arg('securityCode', () => String, { nullable: true, description: FACTOR_ARGUMENTS.securityCode })
    securityCode: string | null | undefined,
    @Arg('recoveryCode', () => String, { nullable: true, description: FACTOR_ARGUMENTS.recoveryCode })
    recoveryCode: string | null | undefined,
    @CurrentCaller() caller: Caller,
    @Ctx() context: RequestContext,
  ): Promise<RecoveryCodesType> {
    const offered = { securityCode, recoveryCode };
    const renewal = this.renewals.of(context, caller, 'tokens');
    const codes = await this.changes.regenerateRecoveryCodes(context, offered, renewal);
    return { codes, renewed: await renewal.deliver() };
  }
}
