import { FieldResolver, Resolver, Root } from 'type-graphql';
import { RecoveryCodesType } from '../authenticators/index.ts';
import { Authenticated } from './authentication.types.ts';
import type { TokenDelivery } from './token-delivery.ts';

/** The tokens that come with new recovery codes: authenticators/ may not know `Authenticated`. */
@Resolver(() => RecoveryCodesType)
export class RecoveryCodeTokensResolver {
  constructor(private readonly delivery: TokenDelivery) {}

  @FieldResolver(() => Authenticated, {
    nullable: true,
    description:
      'The new tokens of this session, also as cookies. The refresh token that it had is superseded. Null where nothing was rotated.',
  })
  tokens(@Root() { renewed }: RecoveryCodesType): Authenticated | null {
    return renewed && this.delivery.inReply(renewed);
  }
}
