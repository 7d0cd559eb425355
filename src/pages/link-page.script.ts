/**
 * Runs in the browser of whoever opened a mailed link, as it stands here. It takes the token out of the address bar at
 * once, and sends it only when the button is pressed: mail scanners open links, and some run scripts.
 */
export const LINK_PAGE_SCRIPT = `
'use strict';
const form = document.querySelector('form');
const button = form.querySelector('button');
const password = form.querySelector('#password');
const fieldProblem = form.querySelector('#password-problem');
const problem = document.querySelector('#problem');
const outcome = document.querySelector('#outcome');

const token = new URLSearchParams(location.hash.slice(1)).get('token');
history.replaceState(null, '', location.pathname);
// A second link that is opened in this tab changes no more than the fragment.
addEventListener('hashchange', () => location.reload());

const show = (element, text) => {
  element.textContent = text;
  element.hidden = text === '';
};

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

const requestId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

async function send() {
  const variables = password ? { token, newPassword: password.value } : { token };
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId() },
    // The link speaks for itself, whoever is signed in here.
    credentials: 'omit',
    body: JSON.stringify({ query: form.dataset.query, variables }),
  });
  const { errors } = await response.json();
  return errors ? errors[0] : undefined;
}

const PROBLEMS = {
  INVALID_TOKEN:
    'This link is not good any more: it was used, its time is over, or a newer one was mailed. Nothing was changed. Ask for a new one.',
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
    const error = await send();
    if (error) {
      explain(error);
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
