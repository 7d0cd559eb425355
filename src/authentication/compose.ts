import type { ACCOUNT_SETTINGS } from '../accounts/index.ts';
import type { AuthenticatorServices } from '../authenticators/index.ts';
import type { DeviceServices } from '../devices/index.ts';
import type { IdentityServices } from '../identities/index.ts';
import type { NoticeServices } from '../notices/index.ts';
import type { PasswordServices } from '../passwords/index.ts';
import type { PlatformServices } from '../platform/compose.ts';
import type { Composed, ServicesOf } from '../platform/module-type.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import type { SESSION_SETTINGS, SessionServices } from '../sessions/index.ts';
import { AuthenticationResolver } from './authentication.resolver.ts';
import { PasswordLogin } from './password-login.ts';
import { Reauthentication } from './reauthentication.ts';
import { RecoveryCodeTokensResolver } from './recovery-code-tokens.resolver.ts';
import { SecondStep } from './second-step.ts';
import { SignIn } from './sign-in.ts';
import { expiredChallenges, SignInChallenges } from './sign-in-challenges.ts';
import { TokenDelivery } from './token-delivery.ts';

export type AuthenticationServices = ServicesOf<typeof composeAuthentication>;

/** The gate that every sign-in goes through, login by password with its second step, and re-authentication. */
export function composeAuthentication({
  config: { emailConfirmation, session },
  platform: { rateLimiter, audit },
  notices: { notices },
  sessions: { revocations, store, unclaimed, tokenPairs, cookies, keyBinding, refreshRotation },
  devices: { devices, deviceCookie },
  identities: { providers, linkChallenges },
  passwords: { passwords },
  authenticators: { secondFactors },
}: {
  config: ConfigOf<typeof ACCOUNT_SETTINGS | typeof SESSION_SETTINGS>;
  platform: PlatformServices;
  notices: NoticeServices;
  sessions: SessionServices;
  devices: DeviceServices;
  identities: IdentityServices;
  passwords: PasswordServices;
  authenticators: AuthenticatorServices;
}) {
  const delivers = { cookies: session.tokenDelivery !== 'body', body: session.tokenDelivery !== 'cookie' };
  const tokenDelivery = new TokenDelivery(cookies, deviceCookie, delivers);
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
  const passwordLogin = new PasswordLogin({
    passwords,
    signIn,
    devices,
    audit,
    rateLimiter,
    options: { emailConfirmation },
  });
  const reauthentication = new Reauthentication({
    passwords,
    secondFactors,
    providers,
    devices,
    store,
    tokenPairs,
    audit,
    rateLimiter,
  });
  return {
    services: { signIn, tokenDelivery, deliversCookies: delivers.cookies },
    resolvers: [
      new AuthenticationResolver({
        passwordLogin,
        secondStep: new SecondStep(signIn, rateLimiter),
        reauthentication,
        rotation: refreshRotation,
        cookies,
        delivery: tokenDelivery,
      }),
      new RecoveryCodeTokensResolver(tokenDelivery),
    ],
    chores: [expiredChallenges],
  } satisfies Composed;
}
