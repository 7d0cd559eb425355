import type { EntityManager } from '@mikro-orm/postgresql';
import { lockActiveAccount } from '../accounts/index.ts';
import { CREDENTIAL_OF, readFactor, type SecondFactors } from '../authenticators/index.ts';
import { deviceKey, type KnownDevices } from '../devices/index.ts';
import { guessRounds, inRound } from '../guesses/index.ts';
import type { IdentityProof, IdentityProver, IdentityProvider } from '../identities/index.ts';
import { NotHashed, type PasswordProof, type Passwords } from '../passwords/index.ts';
import { type AuditLog, AuditOutcome } from '../platform/audit/index.ts';
import { BadUserInput, type Credential, InvalidCredentials, Unauthenticated } from '../platform/errors.ts';
import { InvalidValue, readFields } from '../platform/input.ts';
import type { Charge, RateLimiter } from '../platform/rate-limit/index.ts';
import { type CallerRequest, type RequestSource } from '../platform/request/index.ts';
import { type SessionStore, supersedeTokens, type TokenPair, type TokenPairs } from '../sessions/index.ts';
import { assertionIn, type ReauthenticateArgs } from './reauthenticate.args.ts';

/**
 * Failures count against the session and the account, or against a device that the account knows, as in
 * CURRENT_PASSWORD_RULES.
 */
export const REAUTHENTICATION_RULES = {
  'reauthenticate.ip': { burst: 30, perSeconds: 60, counts: 'IP' },
  'reauthenticate.device': {
    burst: 10,
    perSeconds: 300,
    counts: 'account and device, if the account knows the device; replaces the two below; failures only',
  },
  'reauthenticate.session': { burst: 5, perSeconds: 300, counts: 'session; failures only' },
  'reauthenticate.account': {
    burst: 10,
    perSeconds: 300,
    counts: 'account, from all its sessions; failures only',
  },
} as const;

/** A charge for an attempt. */
type Attempt = Charge<keyof typeof REAUTHENTICATION_RULES>;

interface PasswordClaim {
  readonly userId: string;
  readonly password: string;
  readonly attempt: readonly Attempt[];
  /** Every given credential, for the error: the message must not tell which one was wrong. */
  readonly asked: readonly Credential[];
}

/** The assertion that a caller got from an identity provider, unchecked. */
interface Assertion {
  readonly prover: IdentityProver;
  /** The authentication method of the provider, for `amr`. */
  readonly method: string;
  readonly text: string;
}

/** The parts that `Reauthentication` uses. */
export interface ReauthenticationDependencies {
  readonly passwords: Passwords;
  readonly secondFactors: SecondFactors;
  readonly providers: readonly IdentityProvider[];
  readonly devices: KnownDevices;
  readonly store: SessionStore;
  readonly tokenPairs: TokenPairs;
  readonly audit: AuditLog;
  readonly rateLimiter: RateLimiter<keyof typeof REAUTHENTICATION_RULES>;
}

/** Authenticates the holder of a session again (NIST SP 800-63B section 2, reauthentication). */
export class Reauthentication {
  constructor(private readonly deps: ReauthenticationDependencies) {}

  /**
   * Raises the authentication time of the session and, with a code, its level to 2. The session keeps its id. Only the
   * tokens of the reply have the new time and level (RFC 9470): no token that was issued before can refresh the
   * session. Every given proof must be right.
   * @throws {BadUserInput} no code, and the session reached level 2 after the access token was issued.
   * @throws {InvalidCredentials} a proof is wrong, or the account does not have that credential.
   * @throws {RateLimited} too many failures before, or the account has no guesses at its second factor left.
   */
  async prove(request: CallerRequest, input: ReauthenticateArgs): Promise<TokenPair> {
    const { em, caller, source } = request;
    const { userId } = caller;
    const offered = readFactor('', input);
    const assertions = this.assertionsIn(input);
    const { password } = readFields('', {
      password: () => {
        if (input.password != null) return this.deps.passwords.parseClaimed(input.password);
        if (!offered && assertions.length === 0) throw new InvalidValue(this.neededProofs());
        return null;
      },
    });
    const asked: Credential[] = [
      ...(password === null ? [] : ['password' as const]),
      ...(offered ? [CREDENTIAL_OF[offered.kind]] : []),
      ...assertions.map(({ prover }) => prover.credential),
    ];
    await this.deps.rateLimiter.charge(['reauthenticate.ip', source.networks]);
    const attempt = await this.attemptOf(request);
    await this.deps.rateLimiter.charge(...attempt);
    const proof =
      password === null ? null : await this.verify(em, source, { userId, password, attempt, asked });
    const identities: IdentityProof[] = [];
    for (const assertion of assertions) {
      identities.push(await this.verifyAssertion(em, userId, assertion, { asked, source }));
    }
    const guess = offered && (await this.deps.secondFactors.guess(em, caller, offered, source));
    if (offered && !guess) await this.fail(em, userId, asked, source);
    const amr = [
      ...(proof ? ['pwd'] : []),
      ...assertions.map(({ method }) => method),
      ...(guess ? [guess.kind] : []),
    ];

    const decision = await em.transactional(async (tx) => {
      if (!(await lockActiveAccount(tx, userId))) return 'gone';
      if (proof && !(await this.deps.passwords.stillHolds(tx, proof))) return 'gone';
      for (const identity of identities) if (!(await identity.holds(tx))) return 'gone';
      if (guess && !(await guess.consume(tx))) return 'wrong';
      await this.deps.audit.record(tx, source, {
        action: 'session.reauthenticated',
        actorId: userId,
        subjectId: userId,
        details: { sessionId: caller.sessionId, amr },
      });
      // Done last: Redis does not undo it when the transaction is rolled back.
      const use = { userAgent: source.userAgent, ipAddress: source.clientIp };
      const raised = await supersedeTokens(this.deps.store, tx, caller, {
        use,
        proof: { amr, aal: guess ? 2 : 1 },
      });
      if (raised === 'stronger') {
        throw new BadUserInput([
          { field: 'securityCode', message: 'This session was raised to level 2. Give a code too.' },
        ]);
      }
      if (raised === 'gone') throw new Unauthenticated('the session ended meanwhile');
      return raised;
    });
    if (decision === 'wrong') return this.fail(em, userId, asked, source);
    if (decision === 'gone') throw new Unauthenticated('the session ended meanwhile');
    await this.deps.rateLimiter.giveBack(...attempt);
    return this.deps.tokenPairs.issue(decision.session, decision.subject);
  }

  private async attemptOf(request: CallerRequest): Promise<readonly Attempt[]> {
    const { em, caller, source } = request;
    const { userId, sessionId } = caller;
    const round = await guessRounds.of(em, userId);
    const account = inRound(userId, round);
    return (await this.deps.devices.isKnown(em, userId, source))
      ? [['reauthenticate.device', `${account} ${deviceKey(source)}`]]
      : [
          ['reauthenticate.session', inRound(sessionId, round)],
          ['reauthenticate.account', account],
        ];
  }

  private async verify(
    em: EntityManager,
    source: RequestSource,
    { userId, password, attempt, asked }: PasswordClaim,
  ): Promise<PasswordProof> {
    const known = await this.deps.passwords.find(em, userId);
    const proof = await this.deps.passwords
      .verify(em, known, password, { reserved: true })
      .catch(async (error: unknown) => {
        if (error instanceof NotHashed) await this.deps.rateLimiter.giveBack(...attempt);
        throw error;
      });
    return proof ?? this.fail(em, userId, asked, source);
  }

  private assertionsIn(input: ReauthenticateArgs): Assertion[] {
    return this.deps.providers.flatMap(({ prover, method }) => {
      const text = prover && assertionIn(input, prover);
      return prover && text != null ? [{ prover, method, text }] : [];
    });
  }

  /** Names all proofs that this gateway takes. */
  private neededProofs(): string {
    const ofProviders = this.deps.providers.flatMap(({ prover }) =>
      prover ? [`a ${prover.credential.name}`] : [],
    );
    return `Give ${['the password', 'a code', ...ofProviders].join(', ').replace(/, (?=[^,]*$)/, ' or ')}.`;
  }

  private async verifyAssertion(
    em: EntityManager,
    userId: string,
    { prover, text }: Assertion,
    { asked, source }: { asked: readonly Credential[]; source: RequestSource },
  ): Promise<IdentityProof> {
    try {
      const proof = await prover.prove(em, userId, text, source);
      if (proof) return proof;
    } catch (error) {
      if (!(error instanceof InvalidCredentials)) throw error;
      await this.recordFailure(em, userId, source);
      throw new InvalidCredentials(asked, error.detail);
    }
    return this.fail(em, userId, asked, source);
  }

  private async fail(
    em: EntityManager,
    userId: string,
    asked: readonly Credential[],
    source: RequestSource,
  ): Promise<never> {
    await this.recordFailure(em, userId, source);
    throw new InvalidCredentials(asked, 'wrong password or code, or the account has none');
  }

  private recordFailure(em: EntityManager, userId: string, source: RequestSource): Promise<void> {
    return this.deps.audit.record(em, source, {
      action: 'session.reauthentication_failed',
      actorId: userId,
      subjectId: userId,
      outcome: AuditOutcome.FAILURE,
    });
  }
}
