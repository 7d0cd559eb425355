import { GraphQLDateTime, GraphQLJWT } from 'graphql-scalars';
import { createUnionType, Field, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { FACTOR_ARGUMENTS } from '../authenticators/index.ts';
import { SessionType } from '../sessions/index.ts';

@ObjectType({
  description:
    'A signed-in session. The same tokens are set as HttpOnly cookies, unless TOKEN_DELIVERY=body.',
})
export class Authenticated {
  @Field(() => GraphQLJWT, { nullable: true, description: 'Null only with TOKEN_DELIVERY=cookie.' })
  accessToken!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Replaced by every refresh. Null only with TOKEN_DELIVERY=cookie.',
  })
  refreshToken!: string | null;

  @Field(() => String, { description: 'Bearer; DPoP for a session that is bound to a key of the client.' })
  tokenType!: string;

  @Field(() => Int, { description: 'Seconds until the access token expires.' })
  expiresIn!: number;

  @Field(() => SessionType)
  session!: SessionType;

  /** For the field `user`, which is loaded only when somebody selects it. */
  userId!: string;
}

export enum SecondFactor {
  TOTP = 'TOTP',
  RECOVERY_CODE = 'RECOVERY_CODE',
}
registerEnumType(SecondFactor, { name: 'SecondFactor', description: 'What a second step can be done with.' });

@ObjectType({
  description: "The first factor was right; a second factor must follow within the challenge's lifetime.",
})
export class SecondFactorRequired {
  @Field(() => String, {
    description:
      'For completeLogin: names the sign-in that is under way. Good once, for five minutes and five codes; a change of password or second factor voids it.',
  })
  challenge!: string;

  @Field(() => [SecondFactor], {
    description: 'What completeLogin takes: both, also when no recovery code is left.',
  })
  factors!: SecondFactor[];

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;
}

@ObjectType({
  description:
    'Google named an address that has an account, and it is in doubt whether they belong together: prove that account, then they are linked.',
})
export class AccountLinkRequired {
  @Field(() => String, {
    description:
      'For login, as linkChallenge, with the password of the account that has the address. Good once, for ten minutes, and for no other account.',
  })
  challenge!: string;

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;
}

/** All that a client must branch on. */
export const LoginResult = createUnionType({
  name: 'LoginResult',
  description: 'What a sign-in comes to. Clients branch on __typename.',
  types: () => [Authenticated, SecondFactorRequired, AccountLinkRequired] as const,
  resolveType: (value) => value.constructor.name,
});

@InputType({ description: 'Who signs in, and the proof.' })
export class LoginInput {
  @Field(() => String, { description: 'Username or e-mail address, in any case.' })
  identifier!: string;

  @Field(() => String, { description: 'As it was set: nothing is trimmed, case counts.' })
  password!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Six-digit TOTP code; saves the second step where the account has TOTP, and does nothing where it has not.',
  })
  securityCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'From AccountLinkRequired: links that identity once the login succeeds, after a second step too. INVALID_TOKEN, and no session, when it is not good for this account.',
  })
  linkChallenge?: string | null;
}

@InputType({ description: 'Exactly one of the two codes.' })
export class CompleteLoginInput {
  @Field(() => String, { description: 'From SecondFactorRequired.' })
  challenge!: string;

  @Field(() => String, { nullable: true, description: FACTOR_ARGUMENTS.securityCode })
  securityCode?: string | null;

  @Field(() => String, { nullable: true, description: FACTOR_ARGUMENTS.recoveryCode })
  recoveryCode?: string | null;
}
