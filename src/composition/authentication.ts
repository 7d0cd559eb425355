import {
  AuthenticationResolver,
  expiredChallenges,
  PasswordLogin,
  Reauthentication,
  RecoveryCodeTokensResolver,
  SecondStep,
  SignIn,
  SignInChallenges,
  TokenDelivery,
} from '../authentication/index.ts';
import type { Authenticators } from './authenticators.ts';
import type { Devices } from './devices.ts';
import type { Google } from './google.ts';
import type { Identities } from './identities.ts';
import type { Part } from './part.ts';
import type { PasswordPart } from './passwords.ts';
import type { Platform } from './platform.ts';
import type { Sessions } from './sessions.ts';

export type SignInPart = ReturnType<typeof composeSignIn>;

/** The gate that every way in leads through. */
export function composeSignIn(
  { config, audit, notices }: Platform,
  { revocations, store, unclaimed, tokenPairs, cookies, keyBinding }: Sessions,
  { secondFactors }: Authenticators,
  { linkChallenges }: Identities,
  { devices, deviceCookie }: Devices,
) {
  const { emailConfirmation, session } = config;
  const delivery = {
    cookies: session.tokenDelivery !== 'body',
    body: session.tokenDelivery !== 'cookie',
  };
  const signIn = new SignIn({
    store,
    unclaimed,
    revocations,
    tokenPairs,
    secondFactors,
    challenges: new SignInChallenges(),
    linkChallenges,
    devices,
    notices,
    audit,
    keyBinding,
    options: { sessionTtlSeconds: session.ttlSeconds, emailConfirmation },
  });
  return {
    signIn,
    tokenDelivery: new TokenDelivery(cookies, deviceCookie, delivery),
    deliversCookies: delivery.cookies,
    chores: [expiredChallenges],
  } satisfies Part & Record<string, unknown>;
}

/** Login by password, its second step, and proving again who one is. */
export function composeAuthentication(
  { config, rateLimiter, audit }: Platform,
  { store, tokenPairs, refreshRotation, cookies }: Sessions,
  { passwords }: PasswordPart,
  { secondFactors }: Authenticators,
  { devices }: Devices,
  { signIn, tokenDelivery }: SignInPart,
  google: Google,
) {
  const { emailConfirmation } = config;
  return {
    resolvers: [
      new AuthenticationResolver({
        passwordLogin: new PasswordLogin({
          passwords,
          signIn,
          devices,
          audit,
          rateLimiter,
          options: { emailConfirmation },
        }),
        secondStep: new SecondStep(signIn, rateLimiter),
        reauthentication: new Reauthentication({
          passwords,
          secondFactors,
          google: google.signIn,
          devices,
          store,
          tokenPairs,
          audit,
          rateLimiter,
        }),
        rotation: refreshRotation,
        cookies,
        delivery: tokenDelivery,
      }),
      new RecoveryCodeTokensResolver(tokenDelivery),
    ],
  } satisfies Part;
}
