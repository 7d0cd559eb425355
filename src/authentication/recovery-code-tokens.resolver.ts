import { FieldResolver, Resolver, Root } from 'type-graphql';
import { RecoveryCodesType } from '../authenticators/index.ts';
import { Authenticated } from './authentication.types.ts';
import type { TokenDelivery } from './token-delivery.ts';

/**
 * Adds the new tokens to the reply with new recovery codes. The module authenticators/ may not import `Authenticated`.
 */
@Resolver(() => RecoveryCodesType)
export class RecoveryCodeTokensResolver {
  constructor(private readonly delivery: TokenDelivery) {}

  @FieldResolver(() => Authenticated, {
    nullable: true,
    description:
      'The new tokens of this session, also set as cookies. They supersede its previous refresh token. Null when nothing was rotated.',
  })
  tokens(@Root() { renewed }: RecoveryCodesType): Authenticated | null {
    return renewed && this.delivery.inReply(renewed);
  }
}
