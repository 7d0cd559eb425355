import {
  bindingCookieName,
  CALLBACK_PATH,
  expiredGoogleFlowTokens,
  GoogleAccounts,
  GoogleFlowTokens,
  GoogleIssuer,
  GoogleLinking,
  GoogleResolver,
  GoogleSignIn,
  googleData,
  googleRoutes,
  IdTokens,
  RESULT_PAGE,
  RedirectFlow,
  START_PATH,
} from '../google/index.ts';
import type { RequestContexts } from '../http/index.ts';
import { googleSignInPage } from '../pages/index.ts';
import { CookieStyle } from '../platform/request/index.ts';
import type { Accounts } from './accounts.ts';
import type { SignInPart } from './authentication.ts';
import type { Identities } from './identities.ts';
import type { Part } from './part.ts';
import type { PasswordPart } from './passwords.ts';
import type { Platform } from './platform.ts';
import type { Recovery } from './recovery.ts';
import type { Sessions } from './sessions.ts';

export type Google = ReturnType<typeof composeGoogle>;

/** Sign-in with Google. Without a client id its operations exist and say that it is off. */
export function composeGoogle(
  platform: Platform,
  sessions: Sessions,
  passwordPart: PasswordPart,
  accounts: Accounts,
  { claim }: Recovery,
  identities: Identities,
  signInPart: SignInPart,
  contexts: RequestContexts,
) {
  const { config, clock, rateLimiter, audit, notices, publicUrl, clientOrigin, pages, secure } = platform;
  const { googleIdentities, linkChallenges, linkedIdentities } = identities;
  const { signIn, tokenDelivery } = signInPart;
  const flowTokens = new GoogleFlowTokens();
  // Never of a domain: the flow begins and ends at this host.
  const cookieStyle = new CookieStyle({ secure, domain: undefined });
  const feature = () => {
    if (!config.google) return null;
    const issuer = new GoogleIssuer({ ...config.google, redirectUri: `${publicUrl}${CALLBACK_PATH}` }, clock);
    const idTokens = new IdTokens(issuer, clock);
    const googleAccounts = new GoogleAccounts({
      identities: googleIdentities,
      linkChallenges,
      emailOwnership: accounts.emailOwnership,
      claim,
      revocations: sessions.revocations,
      notices,
      audit,
    });
    const googleSignIn = new GoogleSignIn({
      issuer,
      idTokens,
      flowTokens,
      accounts: googleAccounts,
      identities: googleIdentities,
      signIn,
      audit,
      rateLimiter,
    });
    const linking = new GoogleLinking({
      signIn: googleSignIn,
      identities: googleIdentities,
      linked: linkedIdentities,
      accountFactors: passwordPart.accountFactors,
      audit,
    });
    return {
      signIn: googleSignIn,
      linking,
      flow: new RedirectFlow(issuer, idTokens, flowTokens, googleSignIn),
    };
  };
  const google = feature();
  const { linkPages } = config.http;
  // A page of the gateway can hold a session in cookies only.
  const hasPage = linkPages === 'gateway' && config.session.tokenDelivery !== 'body';
  const page = googleSignInPage({ ...pages, path: RESULT_PAGE, startPath: START_PATH });
  const redirects = (flow: RedirectFlow) => [
    googleRoutes(flow, contexts.of, cookieStyle, { resultOrigin: hasPage ? publicUrl : clientOrigin }),
    ...(hasPage ? [page] : []),
  ];
  return {
    signIn: google?.signIn ?? null,
    resolvers: [
      new GoogleResolver({
        feature: google,
        identities: googleIdentities,
        delivery: tokenDelivery,
        cookies: cookieStyle,
        renewals: sessions.renewals,
      }),
    ],
    cookieNames: [bindingCookieName(cookieStyle)],
    // Without any page a redirect has nowhere to end.
    routes: google && linkPages !== 'off' ? redirects(google.flow) : [],
    personalData: [googleData],
    chores: [expiredGoogleFlowTokens],
  } satisfies Part & Record<string, unknown>;
}
