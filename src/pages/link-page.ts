import { escapeHtml } from '../platform/html.ts';
import { LINK_PAGE_SCRIPT } from './link-page.script.ts';
import type { Page } from './page.ts';

/** Text and behaviour of the page behind a mailed link. */
export interface LinkPage {
  readonly title: string;
  readonly lead: string;
  readonly button: string;
  /** Mutation with the variable `token`. When the page asks for a password, also with the variable of that field. */
  readonly query: string;
  readonly password?: PasswordField;
  /** Whether cookies are sent: the device mark or registration mark of the browser, or the session of its user. */
  readonly sendsCookies: boolean;
  readonly done: string;
}

/** A field for a password. It is shown from the start, or once the gateway asks for it. */
interface PasswordField {
  /** Name of the variable of the mutation. */
  readonly variable: string;
  readonly label: string;
  readonly autocomplete: 'new-password' | 'current-password';
  /** Text above a field that appears once the gateway asks for it. Absent for a field that is shown from the start. */
  readonly whenAsked?: string;
}

export const linkPage = ({ title, lead, button, query, password, sendsCookies, done }: LinkPage): Page => ({
  title,
  script: LINK_PAGE_SCRIPT,
  body: `<form hidden method="post" data-query="${escapeHtml(query)}" data-done="${escapeHtml(done)}" data-credentials="${sendsCookies ? 'same-origin' : 'omit'}">
<p>${escapeHtml(lead)}</p>
${password ? fieldFor(password) : ''}<button type="submit">${escapeHtml(button)}</button>
</form>`,
});

const fieldFor = ({ variable, label, autocomplete, whenAsked }: PasswordField): string =>
  `<div id="password-part"${whenAsked === undefined ? '' : ' hidden'}>
${whenAsked === undefined ? '' : `<p id="password-why">${escapeHtml(whenAsked)}</p>\n`}<label for="password">${escapeHtml(label)}</label>
<input id="password" type="password" data-variable="${variable}" autocomplete="${autocomplete}"${whenAsked === undefined ? ' required' : ''} aria-describedby="${whenAsked === undefined ? '' : 'password-why '}password-problem" spellcheck="false" autocapitalize="none">
<p id="password-problem" class="wrong" role="alert" hidden></p>
<label class="choice"><input id="show-password" type="checkbox"> Show the password</label>
</div>
`;
