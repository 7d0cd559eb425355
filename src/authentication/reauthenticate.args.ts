import { ArgsType, Field } from 'type-graphql';
import { FACTOR_ARGUMENTS } from '../authenticators/index.ts';
import type { ProofArgument } from '../identities/index.ts';

/** The arguments of `reauthenticate`. Identity providers add theirs with `proofArgument`. */
@ArgsType()
export class ReauthenticateArgs {
  @Field(() => String, { nullable: true, description: 'The password of the account.' })
  password?: string | null;

  @Field(() => String, {
    nullable: true,
    description: `${FACTOR_ARGUMENTS.securityCode} Raises the session to level 2.`,
  })
  securityCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description: `${FACTOR_ARGUMENTS.recoveryCode} Raises the session to level 2.`,
  })
  recoveryCode?: string | null;
}

/**
 * Adds the argument of an identity provider to `reauthenticate`, as a decorator would. Call it when the folder of the
 * provider is loaded, because the schema is built right afterwards.
 * @param description as the schema has it
 */
export function proofArgument(proof: ProofArgument, description: string): ProofArgument {
  Field(() => String, { nullable: true, description })(ReauthenticateArgs.prototype, proof.argument);
  return proof;
}

/** The text that the caller gave for the argument of a provider. */
export const assertionIn = (args: ReauthenticateArgs, { argument }: ProofArgument): string | null => {
  const given: unknown = Reflect.get(args, argument);
  return typeof given === 'string' ? given : null;
};
