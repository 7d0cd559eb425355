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
 * Charged before the password is looked at. A stranger spends one for their network, with the /56 and the /48 around it on
 * IPv6, and one for the account as a whole: from the tenth guess on an account waits three minutes for the next, wherever
 * guesses come from. A device that signed in to the account before has an allowance of its own, which strangers cannot empty:
 * they do not lock the owner out. A login gives back what it spent of the account when it succeeds, when its password was never
 * compared, or when it was right while another part was away. What others spent before stays spent, or an attacker would wait
 * for the owner. The address keeps its charge: it bounds the hashing for one client.
 */
export const LOGIN_RULES = {
  'login.ip': { burst: 30, perSeconds: 60 },
  'login.device': { burst: 10, perSeconds: 300 },
  'login.accountAtIp': { burst: 5, perSeconds: 150 },
  'login.account': { burst: 10, perSeconds: 1800 },
} as const;

/** What a guess at the password is charged to. */
type Guess = Charge<keyof typeof LOGIN_RULES>;

/** What somebody types. */
export interface PasswordLoginInput {
  readonly identifier: string;
  readonly password: string;
  readonly securityCode?: string | null | undefined;
  readonly linkChallenge?: string | null | undefined;
}

/** What `PasswordLogin` works with. */
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
   * @throws {InvalidCredentials} with one message and about one duration for a wrong password, an unknown account,
   *   one without a password, a deactivated one, and a wrong security code.
   * @throws {InvalidToken} the password is right, and linkChallenge is not good for this account.
   * @throws {EmailNotConfirmed} the password is right, and the address must be proved first.
   * @throws {BadUserInput} the password is larger than any password can be.
   * @throws {RateLimited} before the password was looked at.
   * @throws {ServiceUnavailable} too many are waiting to be looked at, or the database is away.
   */
  async login(em: EntityManager, input: PasswordLoginInput, source: RequestSource): Promise<SignInOutcome> {
    const { password } = readFields('input', {
      password: () => this.deps.passwords.parseClaimed(input.password),
    });
    const identifier = input.identifier.trim();
    const offered = readFactor('input', { securityCode: input.securityCode });
    // From the input alone: the message must not tell which part was wrong.
    const asked: Credential[] = ['identifier', 'password', ...(offered ? [CREDENTIAL_OF[offered.kind]] : [])];
    const [network, ...wider] = source.networks;
    await this.deps.rateLimiter.charge(['login.ip', [network]]);
    const subject = await findByIdentifier(em, identifier);
    // By what it is called, not by its id: a bucket that name and address shared would tell that they belong together.
    const account = inRound(identifierKey(identifier), subject?.guessRound ?? 0);
    const isKnown = await this.deps.devices.isKnown(em, subject?.userId ?? null, source);
    const guess: readonly Guess[] = isKnown
      ? [['login.device', `${account} ${deviceKey(source)}`]]
      : guessOfStranger(account, network);
    // Apart from strangers, so that a neighbour in the same /48 does not keep a known device from signing in.
    const around = isKnown ? wider.map((network) => `known ${network}`) : wider;
    await this.deps.rateLimiter.charge(['login.ip', around], ...guess);
    // A deactivated account is verified like any other, also when its password is right: its time must not tell it apart.
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
            // Not of a deactivated account: its guesses would run out, and by that tell that the password was right.
            offered: subject?.isActive ? offered : null,
            asked,
            linkChallenge: input.linkChallenge ?? null,
          },
        )
        // A refund reveals nothing here: only a right password gets this far.
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

  /** For what fails: SERVICE_UNAVAILABLE is safe to repeat, so whoever repeats it shall not run out. */
  private givingBack(guess: readonly Guess[], wasNone: (error: unknown) => boolean) {
    return async (error: unknown): Promise<never> => {
      if (wasNone(error)) await this.deps.rateLimiter.giveBack(...guess);
      throw error;
    };
  }

  /**
   * Where confirmation is required, the password may be that of a registration that waits for it. One more hash for
   * every login that failed so far, so that its time tells neither whether there is one nor that the password of a
   * deactivated account was right.
   * @throws {EmailNotConfirmed} it is.
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
 * Nothing for what no account can be called: all of it has the empty key, under which people would keep one another out.
 * No account has that key, so there is nothing to guess; the address was charged, and a hash is computed as for any other.
 */
const guessOfStranger = (account: string, network: string): readonly Guess[] =>
  account === ''
    ? []
    : [
        ['login.accountAtIp', `${account} ${network}`],
        ['login.account', account],
      ];
