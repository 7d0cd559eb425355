import { COMMON_SCRIPT } from '../pages/index.ts';

const OUTCOME =
  '__typename ... on Authenticated { user { username } } ... on SecondFactorRequired { challenge } ... on AccountLinkRequired { challenge }';

/**
 * Runs in the browser that returns from Google. It fetches the result at once. The code works only in this browser, so
 * another person who sees the URL cannot use it up. Tokens stay in cookies, challenges in this script.
 */
export const GOOGLE_SIGN_IN_SCRIPT = `${COMMON_SCRIPT}
const progress = document.querySelector('#progress');
const startAgain = document.querySelector('#start-again');
const linkForm = document.querySelector('#link');
const codeForm = document.querySelector('#second-step');

const COMPLETE = 'mutation ($code: String!) { result: completeGoogleLogin(code: $code) { ${OUTCOME} } }';
const LOGIN = 'mutation ($input: LoginInput!) { result: login(input: $input) { ${OUTCOME} } }';
const SECOND_STEP = 'mutation ($input: CompleteLoginInput!) { result: completeLogin(input: $input) { __typename user { username } } }';

const OVER = 'This sign-in was started in another browser, took too long, or was used before.';
const PROBLEMS = {
  ACCESS_DENIED: 'You cancelled the sign-in at Google. No one was signed in.',
  INVALID_TOKEN: OVER,
  INVALID_CREDENTIALS: 'This Google account cannot sign in here.',
  SERVICE_UNAVAILABLE: 'Google or this service does not answer. Wait a moment, then start again.',
  RATE_LIMITED: 'Too many attempts from your network. Wait some minutes, then start again.',
  EMAIL_NOT_CONFIRMED: 'First confirm the e-mail address of your account with the link in the mail.',
  CONFLICT: 'This Google account is now linked to another account.',
};
const problemOf = (code) => (Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : 'That did not work.');
const TRY_AGAIN = 'That did not work. Wait a moment, then press the button again.';

function giveUp(text) {
  for (const element of [progress, linkForm, codeForm]) element.hidden = true;
  show(problem, text);
  startAgain.hidden = false;
}

/** Some refusals leave a form open for another try. */
function refuse({ message, extensions = {} }, { wrong, over }) {
  const { code } = extensions;
  if (code === 'INVALID_TOKEN') giveUp(over);
  else if (code === 'CONFLICT' || code === 'EMAIL_NOT_CONFIRMED') giveUp(problemOf(code));
  else if (code === 'INVALID_CREDENTIALS') show(problem, wrong);
  else if (code === 'RATE_LIMITED') show(problem, 'Too many attempts. Wait some minutes, then press the button again.');
  else show(problem, code === 'BAD_USER_INPUT' ? message : TRY_AGAIN);
}

function goOn({ __typename, user, challenge }) {
  for (const element of [progress, linkForm, codeForm]) element.hidden = true;
  if (__typename === 'SecondFactorRequired') return ask(codeForm, (input) => secondStep(challenge, input));
  if (__typename === 'AccountLinkRequired') return ask(linkForm, (input) => logIn(challenge, input));
  const name = 'You are signed in as ' + user.username + '.';
  finish(onward ? name : name + ' You can close this page.');
  // The session is in cookies, which the front end sends.
  if (onward) location.replace(onward.querySelector('a').href);
}

async function secondStep(challenge, { code }) {
  const given = code.replace(/\\s/g, '');
  const factor = /^[0-9]{6}$/.test(given) ? { securityCode: given } : { recoveryCode: given };
  const { data, errors } = await send(SECOND_STEP, { input: { challenge, ...factor } }, 'same-origin');
  if (errors) refuse(errors[0], { wrong: 'This code is wrong.', over: OVER });
  else goOn(data.result);
}

async function logIn(linkChallenge, { identifier, password }) {
  const { data, errors } = await send(LOGIN, { input: { identifier, password, linkChallenge } }, 'same-origin');
  const wrong = 'There is no account with this name or address and this password.';
  const over = 'The Google account waits for a different account, or you took too long.';
  if (errors) refuse(errors[0], { wrong, over });
  else goOn(data.result);
}

function ask(form, answer) {
  form.hidden = false;
  form.querySelector('input').focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    show(problem, '');
    const button = form.querySelector('button');
    button.disabled = true;
    try {
      await answer(Object.fromEntries(new FormData(form)));
    } catch {
      show(problem, TRY_AGAIN);
    } finally {
      button.disabled = false;
    }
  };
}

async function complete(code) {
  const { data, errors } = await send(COMPLETE, { code }, 'same-origin');
  if (errors) giveUp(problemOf((errors[0].extensions || {}).code));
  else goOn(data.result);
}

if (fragment.has('code')) complete(fragment.get('code')).catch(() => giveUp(problemOf()));
else if (fragment.has('error')) giveUp(problemOf(fragment.get('error')));
else giveUp('This page opens at the end of a sign-in with Google.');
`;
