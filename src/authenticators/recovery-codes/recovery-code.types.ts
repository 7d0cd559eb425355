import { Field, ObjectType } from 'type-graphql';
import type { TokenPair } from '../../sessions/index.ts';

@ObjectType('RecoveryCodes', {
  description:
    'Codes for the case that the authenticator app is lost. They are shown once, and each works once.',
})
export class RecoveryCodesType {
  @Field(() => [String], { description: 'Case, dashes and spaces are ignored.' })
  codes!: readonly string[];

  /** The value of the field `tokens`. The folder authentication/ adds that field, because it owns the type. */
  renewed!: TokenPair | null;
}
