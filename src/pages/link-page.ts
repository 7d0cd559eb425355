import { escapeHtml } from '../platform/html.ts';
import { LINK_PAGE_SCRIPT } from './link-page.script.ts';
import type { Page } from './page.ts';

/** What the page behind a mailed link says and does. */
export interface LinkPage {
  readonly title: string;
  readonly lead: string;
  readonly button: string;
  /** Mutation with the variable `token` and, where the page asks for one, `newPassword`. */
  readonly query: string;
  readonly asksNewPassword?: boolean;
  readonly done: string;
}

export const linkPage = ({ title, lead, button, query, asksNewPassword, done }: LinkPage): Page => ({
  title,
  script: LINK_PAGE_SCRIPT,
  body: `<form hidden method="post" data-query="${escapeHtml(query)}" data-done="${escapeHtml(done)}">
<p>${escapeHtml(lead)}</p>
${asksNewPassword ? PASSWORD_FIELD : ''}<button type="submit">${escapeHtml(button)}</button>
</form>`,
});

const PASSWORD_FIELD = `<label for="password">New password</label>
<input id="password" type="password" autocomplete="new-password" required aria-describedby="password-problem" spellcheck="false" autocapitalize="none">
<p id="password-problem" class="wrong" role="alert" hidden></p>
<label class="choice"><input id="show-password" type="checkbox"> Show the password</label>
`;
