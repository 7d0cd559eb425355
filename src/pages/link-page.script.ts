import { COMMON_SCRIPT } from './common.script.ts';

/**
 * Runs in the browser that opened a mailed link. The token is removed from the address bar at once. It is sent only
 * when the button is pressed: mail scanners open links, and some run scripts.
 */
export const LINK_PAGE_SCRIPT = `${COMMON_SCRIPT}
const form = document.querySelector('form');
const button = form.querySelector('button');
const passwordPart = form.querySelector('#password-part');
const password = form.querySelector('#password');
const fieldProblem = form.querySelector('#password-problem');
const token = fragment.get('token');
const asksPassword = () => passwordPart !== null && !passwordPart.hidden;

if (!token) {
  show(problem, 'This page opens from a link in a mail. Open that link again: it still works if it was not used.');
} else {
  form.hidden = false;
  (asksPassword() ? password : button).focus();
}

const showPassword = form.querySelector('#show-password');
if (showPassword) {
  showPassword.addEventListener('change', () => {
    password.type = showPassword.checked ? 'text' : 'password';
  });
}

const PROBLEMS = {
  INVALID_TOKEN:
    'This link is no longer valid: it has expired, or this or another link was used. Nothing was changed. Ask for a new one.',
  RATE_LIMITED: 'Too many attempts. Wait some minutes, then press the button again.',
};
const TRY_AGAIN = 'That did not work, and nothing was changed. Wait a moment, then press the button again.';

const WRONG_PASSWORD = 'This is not the password of this registration. The link still works: try again.';

function refusePassword(message) {
  show(fieldProblem, message);
  password.setAttribute('aria-invalid', 'true');
  password.focus();
}

function explain({ message, extensions = {} }) {
  const { code, fields = [] } = extensions;
  if (code === 'INVALID_TOKEN') form.hidden = true;
  if (password && code === 'INVALID_CREDENTIALS') return refusePassword(WRONG_PASSWORD);
  if (password && code === 'BAD_USER_INPUT' && fields.length > 0) {
    if (asksPassword()) return refusePassword(fields.map((field) => field.message).join(' '));
    passwordPart.hidden = false;
    password.required = true;
    return password.focus();
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
    const variables = { token };
    if (asksPassword()) variables[password.dataset.variable] = password.value;
    const { errors } = await send(form.dataset.query, variables, form.dataset.credentials);
    if (errors) {
      explain(errors[0]);
    } else {
      form.hidden = true;
      finish(form.dataset.done);
    }
  } catch {
    show(problem, TRY_AGAIN);
  } finally {
    button.disabled = false;
  }
});
`;
