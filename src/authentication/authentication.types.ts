import { GraphQLDateTime, GraphQLJWT } from 'graphql-scalars';
import { createUnionType, Field, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { FACTOR_ARGUMENTS } from '../authenticators/index.ts';
import { SessionType } from '../sessions/index.ts';

@ObjectType({
  description:
    'A signed-in session. Unless TOKEN_DELIVERY=body, the same tokens are set as HttpOnly cookies.',
})
export class Authenticated {
  @Field(() => GraphQLJWT, { nullable: true, description: 'Null only with TOKEN_DELIVERY=cookie.' })
  accessToken!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Every refresh replaces it. Null only with TOKEN_DELIVERY=cookie.',
  })
  refreshToken!: string | null;

  @Field(() => String, { description: 'Bearer, or DPoP for a session that is bound to a key of the client.' })
  tokenType!: string;

  @Field(() => Int, { description: 'Seconds until the access token expires.' })
  expiresIn!: number;

  @Field(() => SessionType)
  session!: SessionType;

  /** For the field `user`, which loads the account only when it is selected. */
  userId!: string;
}

export enum SecondFactor {
  TOTP = 'TOTP',
  RECOVERY_CODE = 'RECOVERY_CODE',
}
registerEnumType(SecondFactor, { name: 'SecondFactor', description: 'A kind of second factor.' });

@ObjectType({
  description: 'The first factor was right. A second factor must follow before the challenge expires.',
})
export class SecondFactorRequired {
  @Field(() => String, {
    description:
      'For completeLogin: names this sign-in. Works once, within five minutes and for at most five codes. A change of password or second factor voids it.',
  })
  challenge!: string;

  @Field(() => [SecondFactor], {
    description: 'The factors that completeLogin accepts: always both, even when no recovery code is left.',
  })
  factors!: SecondFactor[];

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;
}

@ObjectType({
  description:
    'Google named an e-mail address that has an account, and it is unproved that both belong to one person. Prove the account, and the Google account is linked to it.',
})
export class AccountLinkRequired {
  @Field(() => String, {
    description:
      'For the field linkChallenge of login, with the password of the account that has the address. Works once, for ten minutes, and only for this account.',
  })
  challenge!: string;

  @Field(() => GraphQLDateTime)
  expiresAt!: Date;
}

/** The three outcomes of a sign-in that a client must tell apart. */
export const LoginResult = createUnionType({
  name: 'LoginResult',
  description: 'The outcome of a sign-in. Clients branch on __typename.',
  types: () => [Authenticated, SecondFactorRequired, AccountLinkRequired] as const,
  resolveType: (value) => value.constructor.name,
});

@InputType({ description: 'The account that signs in, and its proof.' })
export class LoginInput {
  @Field(() => String, { description: 'Username or e-mail address, in any case.' })
  identifier!: string;

  @Field(() => String, { description: 'Exactly as it was set: it is not trimmed, and case counts.' })
  password!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Six-digit TOTP code. Saves the second step for an account with TOTP; ignored for any other.',
  })
  securityCode?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'From AccountLinkRequired. Links that identity when the login succeeds, also when a second step follows. INVALID_TOKEN, and no session, when it is not valid for this account.',
  })
  linkChallenge?: string | null;
}

@InputType({ description: 'The second step, with exactly one of the two codes.' })
export class CompleteLoginInput {
  @Field(() => String, { description: 'From SecondFactorRequired.' })
  challenge!: string;

  @Field(() => String, { nullable: true, description: FACTOR_ARGUMENTS.securityCode })
  securityCode?: string | null;

  @Field(() => String, { nullable: true, description: FACTOR_ARGUMENTS.recoveryCode })
  recoveryCode?: string | null;
}
