import { Field, ObjectType } from 'type-graphql';
import type { TokenPair } from '../../sessions/index.ts';

@ObjectType('RecoveryCodes', {
  description: 'For the day when the authenticator app is lost. Shown once; each works once.',
})
export class RecoveryCodesType {
  @Field(() => [String], { description: 'Case, dashes and spaces do not count.' })
  codes!: readonly string[];

  /** For the field `tokens`, which authentication/ adds: it knows the type. */
  renewed!: TokenPair | null;
}
