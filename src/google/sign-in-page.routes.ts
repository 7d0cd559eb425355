import type { FastifyInstance } from 'fastify';
import { type Page, type PageSetting, servePage } from '../pages/index.ts';
import { escapeHtml } from '../platform/html.ts';
import { GOOGLE_SIGN_IN_SCRIPT } from './sign-in-page.script.ts';

export interface GoogleSignInPageOptions extends PageSetting {
  readonly path: string;
  /** Path at which a sign-in begins. */
  readonly startPath: string;
}

/** The page at the end of a redirect sign-in, for deployments without a front end. */
export function googleSignInPage({ path, startPath, ...setting }: GoogleSignInPageOptions) {
  return async (app: FastifyInstance): Promise<void> => {
    servePage(app, path, pageOf(startPath), setting);
  };
}

const pageOf = (startPath: string): Page => ({
  title: 'Sign in with Google',
  script: GOOGLE_SIGN_IN_SCRIPT,
  body: `<p id="progress">One moment.</p>
<form id="link" method="post" hidden>
<p>An account here has the e-mail address of the Google account that you just chose. Sign in to it to link the two. From then on, the Google account signs in to it.</p>
<label for="identifier">Username or e-mail address</label>
<input id="identifier" name="identifier" type="text" autocomplete="username" required spellcheck="false" autocapitalize="none">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">Sign in and link</button>
</form>
<form id="second-step" method="post" hidden>
<label for="code">Security code</label>
<input id="code" name="code" type="text" autocomplete="one-time-code" required aria-describedby="code-hint" spellcheck="false" autocapitalize="none">
<p id="code-hint">From your authenticator app, or one of your recovery codes.</p>
<button type="submit">Sign in</button>
</form>
<p id="start-again" hidden><a href="${escapeHtml(startPath)}">Sign in with Google</a></p>`,
});
