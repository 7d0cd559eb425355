import type { Mail } from '../platform/mail/index.ts';
import type { NoticeText } from '../platform/module-type.ts';
import { type MailContent, render } from './layout.ts';
import { minuteOf, type NoticeFacts, notice } from './notice-templates.ts';

/** Paths of mailed links. Their origin depends on LINK_PAGES. */
export const LINK_PAGES = {
  confirmEmail: '/confirm-email',
  resetPassword: '/reset-password',
  undoEmailChange: '/undo-email-change',
} as const;

/** The facts by which the mail distinguishes a pending registration from others. */
export interface RegistrationFacts {
  readonly username: string;
  readonly registeredAt: Date;
  /** Browser and system in the gateway's own words (platform/request/user-agent.ts); null when they are unknown. */
  readonly client: string | null;
  readonly token: string;
}

/**
 * The texts of all mails. No mail repeats text that its recipient may not have written: a display name in a mail to an
 * unproved address would let strangers send their own text in our name. Usernames are the only exception, since they
 * distinguish registrations. A username has no spaces and at most 32 characters, and is written so that no mail program
 * makes a link of it.
 */
export class MailTemplates {
  constructor(
    private readonly options: {
      readonly productName: string;
      /** Origin of mailed links, never taken from a request. Null: mails carry a code to enter instead of a link. */
      readonly pagesAt: string | null;
    },
  ) {}

  /**
   * The mail to the address of pending registrations, each with its own link.
   * @param replacesAccount whether confirming takes the address from an account that never confirmed it
   */
  confirmEmail(
    to: string,
    registrations: readonly RegistrationFacts[],
    { replacesAccount = false }: { replacesAccount?: boolean } = {},
  ): Mail {
    const { productName } = this.options;
    const { noun, use } = this.words;
    const [only, ...others] = registrations;
    if (!only) throw new Error('there is nothing to confirm');
    const isOne = others.length === 0;
    return this.compose(to, {
      subject: `Confirm your e-mail address for ${productName}`,
      paragraphs: [
        isOne
          ? `The account ${described(only)} was registered at ${productName} with this address. If you did this, confirm that the address is yours.`
          : `${registrations.length} registrations at ${productName} with this address wait to be confirmed. Confirm the one that you made. The others become void.`,
      ],
      actions: registrations.map((registration) => ({
        ...(!isOne && { about: `The account ${described(registration)}:` }),
        label: isOne ? 'Confirm this address' : `Confirm ${quoted(registration.username)}`,
        ...this.way('confirmEmail', registration.token),
      })),
      smallPrint: [
        `The ${noun} works once and for 24 hours. In a browser other than the one that registered, it asks for the password of the registration.`,
        ...(replacesAccount
          ? [
              'An account that never confirmed this address has it now. If you confirm, that account loses the address and is locked. If that account is yours and you want to keep it, do not confirm; ask for a new password instead.',
            ]
          : []),
        `If you did not register, ignore this mail. Do not ${use} and enter no password: without it the address stays unconfirmed.`,
      ],
    });
  }

  /** The mail to the owner of an address that is registered again. */
  addressTaken(to: string): Mail {
    const { productName } = this.options;
    return this.compose(to, {
      subject: `You have an account at ${productName} already`,
      paragraphs: [
        `Somebody tried to register an account at ${productName} with this address. The address has an account already, so nothing was changed.`,
        'If it was you: sign in with the account that you have. If you forgot its password, ask for a new one there.',
      ],
    });
  }

  /** @param byAdministrator whether an administrator sent it; its link lives longer (recovery/recovery-mail.ts) */
  resetPassword(
    to: string,
    token: string,
    { byAdministrator = false }: { byAdministrator?: boolean } = {},
  ): Mail {
    const { productName } = this.options;
    const { noun } = this.words;
    return this.compose(to, {
      subject: `Set a new password for ${productName}`,
      paragraphs: [
        byAdministrator
          ? `An administrator of ${productName} sent you this ${noun} to set a new password for your account.`
          : `Somebody, hopefully you, asked for a new password for your account at ${productName}.`,
        'A new password signs you out everywhere. A second factor that you turned on stays on, unless this address was never confirmed.',
      ],
      actions: [{ label: 'Set a new password', ...this.way('resetPassword', token) }],
      smallPrint: [
        byAdministrator
          ? `The ${noun} works once and for 24 hours. If you did not expect it, do nothing: your password stays as it is.`
          : `The ${noun} works once and for 30 minutes. If it was not you, do nothing: your password stays as it is.`,
      ],
    });
  }

  /** The mail to the address of an account that an administrator made without a password. */
  accountCreated(to: string, username: string, token: string): Mail {
    const { productName } = this.options;
    const { noun, use } = this.words;
    return this.compose(to, {
      subject: `Your account at ${productName}`,
      paragraphs: [
        `An administrator of ${productName} made the account ${quoted(username)} for you. To use it, ${use} and set a password. That also confirms this address.`,
      ],
      actions: [{ label: 'Set a password', ...this.way('resetPassword', token) }],
      smallPrint: [
        `The ${noun} works once and for 24 hours. Later, ask for a new password on the sign-in page. If you did not expect this mail, do nothing.`,
      ],
    });
  }

  /** The mail to the new address of an account. */
  confirmNewEmail(to: string, token: string): Mail {
    const { productName } = this.options;
    return this.compose(to, {
      subject: `Confirm your new e-mail address for ${productName}`,
      paragraphs: [
        `An account at ${productName} wants to use this address from now on. Confirm that it is yours.`,
      ],
      actions: [{ label: 'Use this address', ...this.way('confirmEmail', token) }],
      smallPrint: [`The ${this.words.noun} works once and for 24 hours. If it was not you, do nothing.`],
    });
  }

  /** The mail to the old address, when a change is requested. */
  emailChangeRequested(to: string, newAddress: string, undoToken: string | null): Mail {
    const what = `is about to change to ${newAddress}`;
    return undoToken === null
      ? this.notUndoable(to, what, 'ask for a new password now, which stops the change.')
      : this.undoable(to, undoToken, what);
  }

  /** The mail to the old address, when the new one is in use. */
  emailChanged(to: string, newAddress: string, undoToken: string | null): Mail {
    const what = `was changed to ${newAddress}`;
    return undoToken === null
      ? this.notUndoable(to, what, 'this address is free for an account of your own.')
      : this.undoable(to, undoToken, what);
  }

  /**
   * The mail to the old address, when an administrator changes it.
   * @param options.done false while the new address is unproved
   */
  emailChangedByAdministrator(
    to: string,
    newAddress: string,
    undoToken: string | null,
    { done }: { done: boolean },
  ): Mail {
    const { productName } = this.options;
    const { noun, trigger } = this.words;
    const what = done
      ? `An administrator changed the e-mail address of your account at ${productName} to ${newAddress}.`
      : `An administrator wants to change the e-mail address of your account at ${productName} to ${newAddress}. It changes when the ${noun} in the mail to that address is used.`;
    return this.compose(to, {
      subject: `The e-mail address of your ${productName} account`,
      paragraphs: [
        what,
        undoToken === null
          ? 'If you did not ask for this, tell the people who run this service.'
          : `If you did not ask for this: ${trigger.toLowerCase()} brings this address back, signs everybody out, unlinks every account of another provider that can sign in, and mails you a ${noun} for a new password.`,
      ],
      ...(undoToken !== null && {
        actions: [{ label: 'It was not me: undo this', ...this.way('undoEmailChange', undoToken) }],
        smallPrint: [`The ${noun} works once and for 72 hours, whatever happens to the account meanwhile.`],
      }),
    });
  }

  /** The mail to the last address of a deleted account. */
  accountDeleted(to: string): Mail {
    const { productName } = this.options;
    return this.compose(to, {
      subject: `Your ${productName} account was deleted`,
      paragraphs: [
        `The account with this address at ${productName} was deleted, with all personal data about it. This cannot be undone.`,
      ],
    });
  }

  /** The mail to the owner about an event at the account. */
  notice(to: string, text: NoticeText, facts: NoticeFacts): Mail {
    return this.compose(to, notice(text, facts, this.options.productName));
  }

  /** An address that was never proved cannot be brought back. */
  private notUndoable(to: string, what: string, otherwise: string): Mail {
    const { productName } = this.options;
    return this.compose(to, {
      subject: `The e-mail address of an account at ${productName}`,
      paragraphs: [
        `An account at ${productName} was registered with this address. Its e-mail address ${what}. If you did this, there is nothing to do.`,
        `If you did not: ${otherwise} This address was never confirmed, so it cannot be brought back to that account.`,
      ],
    });
  }

  private undoable(to: string, undoToken: string, what: string): Mail {
    const { productName } = this.options;
    const { noun, trigger } = this.words;
    return this.compose(to, {
      subject: `The e-mail address of your ${productName} account`,
      paragraphs: [
        `The e-mail address of your account at ${productName} ${what}. If you did this, there is nothing to do.`,
        `If you did not: somebody else can use your account. ${trigger} brings this address back, signs everybody out, unlinks every account of another provider that can sign in, and mails you a ${noun} for a new password.`,
      ],
      actions: [{ label: 'It was not me: undo this', ...this.way('undoEmailChange', undoToken) }],
      smallPrint: [`The ${noun} works once and for 72 hours, whatever happens to the account meanwhile.`],
    });
  }

  /** The token is in the fragment, which browsers send neither to a server nor in the header Referer. */
  private way(page: keyof typeof LINK_PAGES, token: string): { url: string } | { code: string } {
    const { pagesAt } = this.options;
    return pagesAt === null ? { code: token } : { url: `${pagesAt}${LINK_PAGES[page]}#token=${token}` };
  }

  /** The words for the link or code of a mail. */
  private get words() {
    return this.options.pagesAt === null
      ? { noun: 'code', use: 'enter the code', trigger: 'The code' }
      : { noun: 'link', use: 'open the link', trigger: 'The button' };
  }

  private compose(to: string, content: MailContent): Mail {
    return { to, ...render(content, this.options.productName) };
  }
}

/** The username of a registration, with its time and client. */
const described = ({ username, registeredAt, client }: RegistrationFacts): string =>
  `${quoted(username)} (${minuteOf(registeredAt)}${client === null ? '' : `, ${client}`})`;

/** A word joiner (U+2060) after each dot is invisible, and keeps mail programs from making a link of `evil.example`. */
const quoted = (username: string): string => `“${username.replaceAll('.', '.\u2060')}”`;
