import type { FastifyInstance } from 'fastify';
import { LINK_PAGES } from '../mail-templates/index.ts';
import { type LinkPage, linkPage } from './link-page.ts';
import { type PageSetting, servePage } from './page.ts';

const PAGES: Readonly<Record<keyof typeof LINK_PAGES, LinkPage>> = {
  confirmEmail: {
    title: 'Confirm your e-mail address',
    lead: 'Press the button to confirm that the address to which this link was mailed is yours.',
    button: 'Confirm this address',
    query:
      'mutation ConfirmEmail($token: String!, $password: String) { confirmEmail(token: $token, password: $password) { __typename } }',
    password: {
      variable: 'password',
      label: 'Password of this registration',
      autocomplete: 'current-password',
      whenAsked:
        'You did not register in this browser. Enter the password that you chose when you registered. If you did not register, close this page.',
    },
    // The registration mark in this browser, or the session of the account.
    sendsCookies: true,
    done: 'Thank you: your e-mail address is confirmed. You can close this page and sign in.',
  },
  resetPassword: {
    title: 'Set a new password',
    lead: 'A new password signs you out everywhere. A long one of several unrelated words is good.',
    button: 'Set this password',
    query:
      'mutation ResetPassword($token: String!, $newPassword: String!) { resetPassword(token: $token, newPassword: $newPassword) }',
    password: { variable: 'newPassword', label: 'New password', autocomplete: 'new-password' },
    // The browser gets a device mark, so that the sign-in that follows comes from a known device.
    sendsCookies: true,
    done: 'Your password is set, and every device is signed out. You can close this page and sign in with it.',
  },
  undoEmailChange: {
    title: 'Undo the change of your e-mail address',
    lead: 'Press the button to bring back the address to which this link was mailed. This signs every device out, removes the password and unlinks every account of another provider that can sign in; we then mail you a link to set a new password.',
    button: 'Bring my address back',
    query: 'mutation UndoEmailChange($token: String!) { undoEmailChange(token: $token) }',
    // The link is sufficient proof, even if another user is signed in here.
    sendsCookies: false,
    done: 'Your address is back, and every device is signed out. A link to set a new password is on its way to it.',
  },
};

/**
 * Plain pages for the mailed links, for deployments without a front end. The token is in the fragment, so no server
 * sees it before the button is pressed: opening a page, even with its script, consumes nothing.
 */
export function linkPages(setting: PageSetting) {
  return async (app: FastifyInstance): Promise<void> => {
    for (const [name, path] of Object.entries(LINK_PAGES)) {
      servePage(app, path, linkPage(PAGES[name as keyof typeof LINK_PAGES]), setting);
    }
  };
}
