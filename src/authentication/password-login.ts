import type { EntityManager } from '@mikro-orm/postgresql';
import { identifierKey, pendingRegistrations } from '../accounts/index.ts';
import { CREDENTIAL_OF, readFactor } from '../authenticators/index.ts';
import { deviceKey, type KnownDevices } from '../devices/index.ts';
import { inRound } from '../guesses/index.ts';
import { type Asker, NotHashed, type Passwords } from '../passwords/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { type Credential, EmailNotConfirmed, InvalidCredentials } from '../platform/errors.ts';
import { readFields } from '../platform/input.ts';
import type { Charge, RateLimiter } from '../platform/rate-limit/index.ts';
import { type RequestSource } from '../platform/request/index.ts';
import { isUnavailable } from '../platform/unavailable.ts';
import { findByIdentifier } from './credential-lookup.ts';
import type { SignIn, SignInOutcome } from './sign-in.ts';

/**
 * Charged before the password is checked. A stranger charges the network, on IPv6 also the /56 and the /48 around it,
 * and the account as a whole. After ten guesses, an account allows one more every three minutes, from all sources
 * together. A device that signed in to the account before has a limit of its own. Strangers cannot use it up, so they
 * cannot lock the owner out.
 *
 * A login refunds its charges of the account when it succeeds. It also does so when its password was never compared, or
 * was right while a needed service was unavailable. Charges of other logins stay, or an attacker would wait for the
 * owner. The charge of the IP stays too, because it limits the hashing for one client.
 */
export const LOGIN_RULES = {
  'login.ip': { burst: 30, perSeconds: 60, counts: 'IP of the client' },
  'login.device': {
    burst: 10,
    perSeconds: 300,
    counts: 'account and device, if the account knows the device; replaces the two below; failures only',
  },
  'login.accountAtIp': {
    burst: 5,
    perSeconds: 150,
    counts:
      'identifier and IP; failures only. An identifier is a username or e-mail address in any spelling, of an account or not; a text that can be neither does not count',
  },
  'login.account': { burst: 10, perSeconds: 1800, counts: 'identifier, from all sources; failures only' },
} as const;

/** A charge for a guess at the password. */
type Guess = Charge<keyof typeof LOGIN_RULES>;

/** The input of a person who signs in, unchecked. */
export interface PasswordLoginInput {
  readonly identifier: string;
  readonly password: string;
  readonly securityCode?: string | null | undefined;
  readonly linkChallenge?: string | null | undefined;
}

/** The parts that `PasswordLogin` uses. */
export interface PasswordLoginDependencies {
  readonly passwords: Passwords;
  readonly signIn: SignIn;
  readonly devices: KnownDevices;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof LOGIN_RULES>;
  readonly options: { readonly emailConfirmation: 'optional' | 'required' };
}

/** Signs in by username or e-mail address and password. */
export class PasswordLogin {
  constructor(private readonly deps: PasswordLoginDependencies) {}

  /**
   * Signs in, or asks for a second factor.
   * @throws {InvalidCredentials} a wrong password, an unknown account, an account without a password, a deactivated
   *   account, or a wrong security code. In all these cases the message is the same, and the duration about the same.
   * @throws {InvalidToken} the password is right, and linkChallenge is not valid for this account.
   * @throws {EmailNotConfirmed} the password is right, and the address must be confirmed first.
   * @throws {BadUserInput} the password is longer than any password can be.
   * @throws {RateLimited} before the password is checked.
   * @throws {ServiceUnavailable} too many passwords wait for their check, or the database is unavailable.
   */
  async login(em: EntityManager, input: PasswordLoginInput, source: RequestSource): Promise<SignInOutcome> {
    const { password } = readFields('input', {
      password: () => this.deps.passwords.parseClaimed(input.password),
    });
    const identifier = input.identifier.trim();
    const offered = readFactor('input', { securityCode: input.securityCode });
    // Computed from the input only: the message must not tell which part was wrong.
    const asked: Credential[] = ['identifier', 'password', ...(offered ? [CREDENTIAL_OF[offered.kind]] : [])];
    const [network, ...wider] = source.networks;
    await this.deps.rateLimiter.charge(['login.ip', [network]]);
    const subject = await findByIdentifier(em, identifier);
    // Named by the identifier, not by the account id. A bucket that username and address shared would tell that they
    // belong together.
    const account = inRound(identifierKey(identifier), subject?.guessRound ?? 0);
    const isKnown = await this.deps.devices.isKnown(em, subject?.userId ?? null, source);
    const guess: readonly Guess[] = isKnown
      ? [['login.device', `${account} ${deviceKey(source)}`]]
      : guessOfStranger(account, network);
    // Counted apart from strangers, so that a neighbour in the same /48 cannot keep a known device from signing in.
    const around = isKnown ? wider.map((network) => `known ${network}`) : wider;
    await this.deps.rateLimiter.charge(['login.ip', around], ...guess);
    // The password of a deactivated account is verified like any other. Otherwise the time would tell that the account
    // is deactivated.
    const proof = await this.deps.passwords
      .verify(em, subject?.password ?? null, password, {
        matchShows: subject?.isActive ?? false,
        reserved: isKnown,
      })
      .catch(this.givingBack(guess, (error) => error instanceof NotHashed));
    const outcome =
      proof &&
      (await this.deps.signIn
        .begin(
          em,
          { userId: proof.userId, amr: ['pwd'], holds: (tx) => this.deps.passwords.stillHolds(tx, proof) },
          source,
          {
            // Ignored for a deactivated account. Otherwise its guesses would run out, which would tell that the
            // password was right.
            offered: subject?.isActive ? offered : null,
            asked,
            linkChallenge: input.linkChallenge ?? null,
          },
        )
        // This refund reveals nothing: only a right password gets this far.
        .catch(this.givingBack(guess, isUnavailable)));
    if (outcome) {
      await this.deps.rateLimiter.giveBack(...guess);
      return outcome;
    }
    await this.refusePending(em, identifier, password, { reserved: isKnown });

    await this.deps.audit.record(em, source, {
      action: 'login.failed',
      actorId: null,
      subjectId: subject?.userId ?? null,
      outcome: AuditOutcome.FAILURE,
    });
    throw new InvalidCredentials(
      asked,
      proof ? 'not active, or the password was changed meanwhile' : 'unknown account or wrong password',
    );
  }

  /**
   * Refunds the guess after certain errors. SERVICE_UNAVAILABLE is safe to repeat, so a client that repeats must not
   * run out of guesses.
   */
  private givingBack(guess: readonly Guess[], wasNone: (error: unknown) => boolean) {
    return async (error: unknown): Promise<never> => {
      if (wasNone(error)) await this.deps.rateLimiter.giveBack(...guess);
      throw error;
    };
  }

  /**
   * Checks whether the password is that of a pending registration, where confirmation is required. It computes one more
   * hash for every login that has failed so far. So the time tells neither whether a registration exists nor that the
   * password of a deactivated account was right.
   * @throws {EmailNotConfirmed} the password is that of a pending registration.
   */
  private async refusePending(
    em: EntityManager,
    identifier: string,
    password: string,
    asker: Asker,
  ): Promise<void> {
    if (this.deps.options.emailConfirmation === 'optional') return;
    const pending = await pendingRegistrations.findByIdentifier(em, identifier);
    const isRight = await this.deps.passwords.matches(pending, password, asker);
    if (isRight) throw new EmailNotConfirmed();
  }
}

/**
 * The charges of a stranger's guess. Text that no account can have as an identifier has the empty key, and costs
 * nothing: under a common bucket, people would lock one another out. No account has that key, so nothing can be
 * guessed. The IP was charged, and a hash is computed as for any other text.
 */
const guessOfStranger = (account: string, network: string): readonly Guess[] =>
  account === ''
    ? []
    : [
        ['login.accountAtIp', `${account} ${network}`],
        ['login.account', account],
      ];
