import { COMMON_SCRIPT } from './common.script.ts';

/**
 * Runs in the browser of whoever opened a mailed link. The token leaves the address bar at once, and is sent only when
 * the button is pressed: mail scanners open links, and some run scripts.
 */
export const LINK_PAGE_SCRIPT = `${COMMON_SCRIPT}
const form = document.querySelector('form');
const button = form.querySelector('button');
const password = form.querySelector('#password');
const fieldProblem = form.querySelector('#password-problem');
const token = fragment.get('token');

if (!token) {
  show(problem, 'This page opens from a link in a mail. Open that link again: it is still good if it was not used.');
} else {
  form.hidden = false;
  (password || button).focus();
}

const showPassword = form.querySelector('#show-password');
if (showPassword) {
  showPassword.addEventListener('change', () => {
    password.type = showPassword.checked ? 'text' : 'password';
  });
}

const PROBLEMS = {
  INVALID_TOKEN:
    'This link is not good any more: it or another one was used, or its time is over. Nothing was changed. Ask for a new one.',
  RATE_LIMITED: 'Too many attempts from your network. Wait some minutes, then press the button again.',
};
const TRY_AGAIN = 'That did not work, and nothing was changed. Wait a moment, then press the button again.';

function explain({ message, extensions = {} }) {
  const { code, fields = [] } = extensions;
  if (code === 'INVALID_TOKEN') form.hidden = true;
  if (code === 'BAD_USER_INPUT' && password && fields.length > 0) {
    show(fieldProblem, fields.map((field) => field.message).join(' '));
    password.setAttribute('aria-invalid', 'true');
    password.focus();
    return;
  }
  show(problem, PROBLEMS[code] || (code === 'BAD_USER_INPUT' ? message : TRY_AGAIN));
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  show(problem, '');
  if (password) {
    show(fieldProblem, '');
    password.removeAttribute('aria-invalid');
  }
  button.disabled = true;
  try {
    const variables = password ? { token, newPassword: password.value } : { token };
    // The link speaks for itself, whoever is signed in here. A browser that sets a password by it keeps a mark, which
    // comes as a cookie.
    const { errors } = await send(form.dataset.query, variables, password ? 'same-origin' : 'omit');
    if (errors) {
      explain(errors[0]);
    } else {
      form.hidden = true;
      show(outcome, form.dataset.done);
      outcome.focus();
    }
  } catch {
    show(problem, TRY_AGAIN);
  } finally {
    button.disabled = false;
  }
});
`;
