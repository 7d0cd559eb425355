import { Field, ObjectType } from 'type-graphql';

@ObjectType('RecoveryCodes', {
  description: 'For the day when the authenticator app is lost. Shown once; each works once.',
})
export class RecoveryCodesType {
  @Field(() => [String], { description: 'Case, dashes and spaces do not count.' })
  codes!: readonly string[];
}
