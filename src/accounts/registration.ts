import type { EntityManager } from '@mikro-orm/postgresql';
import { inRound } from '../guesses/index.ts';
import type { Passwords, StoredPassword } from '../passwords/index.ts';
import type { AuditLog } from '../platform/audit/index.ts';
import { Conflict } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import { type MailOutbox, mailboxKey } from '../platform/mail/index.ts';
import { type RateLimiter, SCARCE } from '../platform/rate-limit/index.ts';
import { type RequestSource } from '../platform/request/index.ts';
import type { ConfirmationMail, RegistrationMail } from './confirmation-mails.ts';
import { parseDisplayName } from './display-name.ts';
import { type EmailAddress, parseEmailAddress, parsePublicEmailAddress } from './email-address.ts';
import type { EmailOwnership } from './email-ownership.ts';
import type { PendingRegistration } from './pending-registration.entity.ts';
import { type ParsedRegistration, pendingRegistrations } from './pending-registrations.ts';
import { registrationMarks } from './registration-marks.ts';
import type { EarlierRegistration, RepeatedRegistrations } from './repeated-registrations.ts';
import { addressTaken, asConflict } from './unique-conflicts.ts';
import { User } from './user.entity.ts';
import { parseUsername, type Username } from './username.ts';
import { reserveUsername } from './username-reservation.ts';

/**
 * Each registration costs one of `register.ip` and `register.recipient`. A failed registration mails nothing, so the
 * recipient is refunded.
 */
export const REGISTRATION_RULES = {
  'register.ip': { burst: 20, perSeconds: 3600, wider: SCARCE, counts: 'IP' },
  'register.recipient': {
    burst: 5,
    perSeconds: 3600,
    counts: 'mailbox, for each registration that succeeds',
  },
  /** Limits guesses at the password of an account by repeated registrations. */
  'register.repeated': {
    burst: 5,
    perSeconds: 3600,
    counts: 'username, for each wrong password in a registration that repeats one of the same network',
  },
} as const;

export interface RegistrationInput {
  username: string;
  email: string;
  password: string;
  displayName?: string | null | undefined;
}

/** A new account with every field parsed. */
export interface NewAccount {
  readonly username: Username;
  /** Null for an account without an address. */
  readonly email: EmailAddress | null;
  /** Whether an administrator or operator vouches for the address. */
  readonly emailConfirmed: boolean;
  readonly displayName: string | null;
}

/** The result of a registration. */
export interface Registered {
  readonly account: User | PendingRegistration;
  /**
   * For the cookie of the browser, which may then confirm the address without the password. Null when an operator
   * vouches for the address. Also null when the call repeats a registration whose mark is gone.
   */
  readonly mark: string | null;
}

/** The parts that `Registration` uses. */
export interface RegistrationDependencies {
  readonly passwords: Passwords;
  readonly emailOwnership: EmailOwnership;
  readonly repeated: RepeatedRegistrations;
  readonly mails: {
    readonly outbox: MailOutbox;
    readonly confirmation: ConfirmationMail;
    readonly registration: RegistrationMail;
  };
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof REGISTRATION_RULES>;
  readonly options: {
    readonly emailConfirmation: 'optional' | 'required';
    /** Refuses addresses of the local machine and network, unless an operator vouches for them. */
    readonly publicEmailsOnly: boolean;
  };
}

/** Registers accounts. */
export class Registration {
  constructor(private readonly deps: RegistrationDependencies) {}

  /**
   * Registers a person. Where confirmation is optional, the account exists at once, with an unconfirmed address. Where
   * it is required, the account exists only after its address is proved, and until then no answer tells whether the
   * address has an account already. A client may repeat a call whose outcome it does not know. For ten minutes the same
   * registration with the same password from the same network gets the same answer, and mails nothing.
   * @throws {BadUserInput} naming every refused field.
   * @throws {Conflict} the username is taken, without regard to case or Unicode form; where confirmation is optional,
   *   also the address.
   */
  async register(em: EntityManager, input: RegistrationInput, source: RequestSource): Promise<Registered> {
    await this.deps.rateLimiter.charge(['register.ip', source.networks]);
    const { password, ...parsed } = this.parse(input, { byOperator: false });
    // Charged here and not by the worker: a registration always mails, and the person must learn when no mail can be
    // sent.
    const mail = ['register.recipient', mailboxKey(parsed.email.key)] as const;
    await this.deps.rateLimiter.charge(mail);
    try {
      return await this.make(em, parsed, await this.deps.passwords.hash(password), source);
    } catch (error) {
      await this.deps.rateLimiter.giveBack(mail);
      const earlier = error instanceof Conflict ? await this.deps.repeated.find(em, parsed, source) : null;
      if (!earlier || !(await this.isRepeated(earlier, password))) throw error;
      return this.answerAgain(em, earlier.account, source);
    }
  }

  /** Registers an account for an operator, who vouches for its address and may give it a reserved username. */
  async createByOperator(em: EntityManager, input: RegistrationInput, source: RequestSource): Promise<User> {
    const { password, ...parsed } = this.parse(input, { byOperator: true });
    const credential = await this.deps.passwords.hash(password);
    return (await this.create(em, { ...parsed, emailConfirmed: true }, credential, source)).account;
  }

  /**
   * Registers an account for an administrator, with or without a password and an address. Runs in the transaction of
   * the caller, which has checked the permission, records the event, and translates violations of unique constraints
   * (unique-conflicts.ts).
   * @throws {Conflict} the username or the address is taken.
   */
  async createIn(tx: EntityManager, account: NewAccount, credential: StoredPassword | null): Promise<User> {
    const { email, emailConfirmed } = account;
    if (email) await this.deps.emailOwnership.reserve(tx, email.key);
    const user = await this.insert(tx, account);
    if (credential) await this.deps.passwords.store(tx, user.id, credential);
    if (email && emailConfirmed) await pendingRegistrations.dropOthers(tx, email.key);
    // For an account without a password, the link that sets one also confirms the address.
    else if (email && credential)
      await this.deps.mails.outbox.put(tx, this.deps.mails.confirmation, {
        address: email.email,
        registers: true,
      });
    return user;
  }

  private async insert(
    tx: EntityManager,
    { username, email, emailConfirmed, displayName }: NewAccount,
  ): Promise<User> {
    await reserveUsername(tx, username);
    if (email && (await this.deps.emailOwnership.isTaken(tx, email.key))) throw addressTaken();
    const user = tx.create(User, {
      username: username.username,
      usernameKey: username.key,
      usernameSkeletons: username.skeletons,
      email: email?.email ?? null,
      emailKey: email?.key ?? null,
      emailConfirmedAt: email && emailConfirmed ? new Date() : null,
      displayName,
    });
    await tx.persist(user).flush();
    return user;
  }

  /** The reason why this account may not have this password, as a sentence for people; null when it may. */
  problemOfPassword(
    password: string,
    { username, email }: { username: string; email: string },
  ): string | null {
    try {
      this.deps.passwords.parseNew(password, { username, email });
      return null;
    } catch (error) {
      if (error instanceof InvalidValue) return error.message;
      throw error;
    }
  }

  private parse(
    input: RegistrationInput,
    { byOperator }: { byOperator: boolean },
  ): ParsedRegistration & { password: string } {
    return readFields('input', {
      username: () => parseUsername(input.username, { reserved: byOperator }),
      email: () =>
        this.deps.options.publicEmailsOnly && !byOperator
          ? parsePublicEmailAddress(input.email)
          : parseEmailAddress(input.email),
      displayName: () => parseDisplayName(input.displayName),
      password: () =>
        this.deps.passwords.parseNew(input.password, { username: input.username, email: input.email }),
    });
  }

  private make(
    em: EntityManager,
    parsed: ParsedRegistration,
    credential: StoredPassword,
    source: RequestSource,
  ): Promise<Registered> {
    return this.deps.options.emailConfirmation === 'required'
      ? this.pend(em, parsed, credential, source)
      : this.create(em, { ...parsed, emailConfirmed: false }, credential, source);
  }

  /** Charges one guess, and refunds it unless the password is wrong. */
  private async isRepeated(
    { account, password: stored }: EarlierRegistration,
    password: string,
  ): Promise<boolean> {
    const round = account instanceof User ? account.guessRound : 0;
    const guess = ['register.repeated', inRound(account.usernameKey, round)] as const;
    await this.deps.rateLimiter.charge(guess);
    let isWrong = false;
    try {
      isWrong = !(await this.deps.passwords.matches(stored, password));
      return !isWrong;
    } finally {
      if (!isWrong) await this.deps.rateLimiter.giveBack(guess);
    }
  }

  /** Answers with a new mark, because the cookie of the first call may be lost too. */
  private async answerAgain(
    em: EntityManager,
    account: User | PendingRegistration,
    source: RequestSource,
  ): Promise<Registered> {
    const mark = await em.transactional((tx) => registrationMarks.replace(tx, account.id, source));
    return { account, mark };
  }

  private pend(
    em: EntityManager,
    parsed: ParsedRegistration,
    credential: StoredPassword,
    source: RequestSource,
  ): Promise<Registered> {
    const { outbox, registration } = this.deps.mails;
    return em.transactional(async (tx) => {
      const pending = await pendingRegistrations.create(tx, parsed, credential);
      await outbox.put(tx, registration, { registrationId: pending.id });
      await this.deps.audit.record(tx, source, {
        action: 'account.registration_requested',
        actorId: null,
        subjectId: pending.id,
      });
      return { account: pending, mark: await registrationMarks.add(tx, pending.id, source) };
    });
  }

  private async create(
    em: EntityManager,
    account: NewAccount & { readonly email: EmailAddress },
    credential: StoredPassword,
    source: RequestSource,
  ): Promise<Registered & { account: User }> {
    const byOperator = account.emailConfirmed;
    try {
      return await em.transactional(async (tx) => {
        const user = await this.insert(tx, account);
        await this.deps.passwords.store(tx, user.id, credential);
        if (!byOperator) {
          await this.deps.mails.outbox.put(tx, this.deps.mails.confirmation, {
            address: account.email.email,
            registers: true,
          });
        }
        await this.deps.audit.record(tx, source, {
          action: 'account.registered',
          actorId: byOperator ? null : user.id,
          subjectId: user.id,
        });
        return { account: user, mark: byOperator ? null : await registrationMarks.add(tx, user.id, source) };
      });
    } catch (error) {
      throw asConflict(error);
    }
  }
}
