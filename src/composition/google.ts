import {
  bindingCookieName,
  CALLBACK_PATH,
  expiredGoogleTickets,
  GoogleAccounts,
  GoogleIssuer,
  GoogleLinking,
  GoogleResolver,
  GoogleSignIn,
  GoogleTickets,
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
  const { config, clock, rateLimiter, audit, notices, publicUrl, clientOrigin, secure } = platform;
  const { googleIdentities, linkChallenges, linkedIdentities } = identities;
  const { signIn, tokenDelivery } = signInPart;
  const tickets = new GoogleTickets();
  // Never of a domain: the flow begins and ends at this host.
  const cookieStyle = new CookieStyle({ secure, domain: undefined });
  const feature = () => {
    if (!config.google) return null;
    const issuer = new GoogleIssuer({ ...config.google, redirectUri: `${publicUrl}${CALLBACK_PATH}` }, clock);
    const idTokens = new IdTokens(issuer, clock);
    const googleAccounts = new GoogleAccounts(
      googleIdentities,
      linkChallenges,
      accounts.addressBook,
      claim,
      sessions.endings,
      notices,
      audit,
    );
    const googleSignIn = new GoogleSignIn(
      issuer,
      idTokens,
      tickets,
      googleAccounts,
      googleIdentities,
      signIn,
      audit,
      rateLimiter,
    );
    const linking = new GoogleLinking(
      googleSignIn,
      googleIdentities,
      linkedIdentities,
      passwordPart.accountFactors,
      audit,
    );
    return { signIn: googleSignIn, linking, flow: new RedirectFlow(issuer, idTokens, tickets, googleSignIn) };
  };
  const google = feature();
  const page = { productName: config.productName, path: RESULT_PAGE, startPath: START_PATH };
  // Without cookies it would make sessions that nobody has.
  const hasPage = clientOrigin === publicUrl && config.session.tokenDelivery !== 'body';
  const pages = hasPage ? [googleSignInPage(page)] : [];
  return {
    signIn: google?.signIn ?? null,
    resolvers: [new GoogleResolver(google, googleIdentities, tokenDelivery, cookieStyle, sessions.renewals)],
    cookieNames: [bindingCookieName(cookieStyle)],
    routes: google ? [googleRoutes(google.flow, contexts.of, cookieStyle, { clientOrigin }), ...pages] : [],
    personalData: [googleData],
    chores: [expiredGoogleTickets],
  } satisfies Part & Record<string, unknown>;
}
