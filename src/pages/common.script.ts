/** The beginning of the scripts of all pages. */
export const COMMON_SCRIPT = `
'use strict';
const fragment = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, '', location.pathname);
// A second link that is opened in this tab changes only the fragment.
addEventListener('hashchange', () => location.reload());

const problem = document.querySelector('#problem');
const outcome = document.querySelector('#outcome');
const show = (element, text) => {
  element.textContent = text;
  element.hidden = text === '';
};

/** Shows the outcome, and the link to the front end, if there is one. */
const onward = document.querySelector('#onward');
function finish(text) {
  show(outcome, text);
  if (onward) onward.hidden = false;
  outcome.focus();
}

const requestId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

async function send(query, variables, credentials) {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': requestId() },
    credentials,
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}
`;
