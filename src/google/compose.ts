import type { AccountServices } from '../accounts/index.ts';
import type { AuthenticationServices } from '../authentication/index.ts';
import type { IdentityServices } from '../identities/index.ts';
import type { NoticeServices } from '../notices/index.ts';
import type { PlatformServices, PlatformSettings } from '../platform/compose.ts';
import type { Composed } from '../platform/module-type.ts';
import { type ContextOf, CookieStyle, type FactorLookup } from '../platform/request/index.ts';
import type { ConfigOf } from '../platform/setting-declaration.ts';
import type { RecoveryServices } from '../recovery/index.ts';
import type { SessionServices } from '../sessions/index.ts';
import { GoogleResolver } from './google.resolver.ts';
import { bindingCookieName, CALLBACK_PATH, googleRoutes, RESULT_PAGE, START_PATH } from './google.routes.ts';
import { GoogleAccounts } from './google-accounts.ts';
import { expiredGoogleFlowTokens, GoogleFlowTokens } from './google-flow-tokens.ts';
import { GoogleIdentities } from './google-identities.ts';
import { GoogleIssuer } from './google-issuer.ts';
import { GoogleLinking } from './google-linking.ts';
import { GoogleSignIn } from './google-sign-in.ts';
import { IdTokens } from './id-tokens.ts';
import { googleData } from './personal-data.ts';
import { googleProvider } from './provider.ts';
import { RedirectFlow } from './redirect-flow.ts';
import type { GOOGLE_SETTINGS } from './settings.ts';
import { googleSignInPage } from './sign-in-page.routes.ts';

/** Sign-in with Google. Without a client id its operations exist and say that it is off. */
export function composeGoogle({
  config,
  platform: { clock, rateLimiter, audit, publicUrl, clientOrigin, pages, secure },
  notices: { notices },
  sessions: { revocations, renewals },
  http: { contexts },
  identities: { linkChallenges, linkedIdentities },
  passwords: { accountFactors },
  accounts: { emailOwnership },
  authentication: { signIn, tokenDelivery, deliversCookies },
  recovery: { claim },
}: {
  config: PlatformSettings & ConfigOf<typeof GOOGLE_SETTINGS>;
  platform: PlatformServices;
  notices: NoticeServices;
  sessions: SessionServices;
  http: { readonly contexts: { readonly of: ContextOf } };
  identities: IdentityServices;
  passwords: { readonly accountFactors: FactorLookup };
  accounts: AccountServices;
  authentication: AuthenticationServices;
  recovery: RecoveryServices;
}) {
  const identities = new GoogleIdentities(notices, audit);
  const flowTokens = new GoogleFlowTokens();
  // The cookie is for this host alone, whatever COOKIE_DOMAIN is, because the flow begins and ends here.
  const cookieStyle = new CookieStyle({ secure, domain: undefined });
  const feature = () => {
    if (!config.google) return null;
    const issuer = new GoogleIssuer({ ...config.google, redirectUri: `${publicUrl}${CALLBACK_PATH}` }, clock);
    const idTokens = new IdTokens(issuer, clock);
    const googleAccounts = new GoogleAccounts({
      identities,
      linkChallenges,
      emailOwnership,
      claim,
      revocations,
      notices,
      audit,
    });
    const googleSignIn = new GoogleSignIn({
      issuer,
      idTokens,
      flowTokens,
      accounts: googleAccounts,
      identities,
      signIn,
      audit,
      rateLimiter,
    });
    const linking = new GoogleLinking({
      signIn: googleSignIn,
      identities,
      linked: linkedIdentities,
      accountFactors,
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
  // A page of the gateway can keep a session only in cookies.
  const hasPage = linkPages === 'gateway' && deliversCookies;
  const page = googleSignInPage({ ...pages, path: RESULT_PAGE, startPath: START_PATH });
  const redirects = (flow: RedirectFlow) => [
    googleRoutes(flow, contexts.of, cookieStyle, { resultOrigin: hasPage ? publicUrl : clientOrigin }),
    ...(hasPage ? [page] : []),
  ];
  return {
    identityProviders: [googleProvider(identities, google?.signIn ?? null)],
    resolvers: [
      new GoogleResolver({
        feature: google,
        identities,
        delivery: tokenDelivery,
        cookies: cookieStyle,
        renewals,
      }),
    ],
    cookieNames: [bindingCookieName(cookieStyle)],
    // The redirect flow ends on a link page, so it does not exist without these pages.
    routes: google && linkPages !== 'off' ? redirects(google.flow) : [],
    personalData: [googleData],
    chores: [expiredGoogleFlowTokens],
  } satisfies Composed;
}
