import { Field, ObjectType } from 'type-graphql';
import type { TokenPair } from '../../sessions/index.ts';

@ObjectType('RecoveryCodes', {
  description:
    'Codes for the case that the authenticator app is lost. They are shown once, and each works once.',
})
export class RecoveryCodesType {
  @Field(() => [String], { description: 'Case, dashes and spaces are ignored.' })
  codes!: readonly string[];

  /** For the field `tokens`, which authentication/ adds, because it has the type of that field. */
  renewed!: TokenPair | null;
}
