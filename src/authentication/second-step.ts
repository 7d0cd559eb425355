import type { EntityManager } from '@mikro-orm/postgresql';
import { type FactorArguments, requireFactor } from '../authenticators/index.ts';
import type { RateLimiter } from '../platform/rate-limit/index.ts';
import { type RequestSource } from '../platform/request/index.ts';
import type { TokenPair } from '../sessions/index.ts';
import type { SignIn } from './sign-in.ts';

/** Charged per IP, in addition to the guesses of the account. */
export const SECOND_STEP_RULES = { 'completeLogin.ip': { burst: 30, perSeconds: 60, counts: 'IP' } } as const;

/** Completes a sign-in that was answered with a challenge. */
export class SecondStep {
  constructor(
    private readonly signIn: SignIn,
    private readonly rateLimiter: RateLimiter<keyof typeof SECOND_STEP_RULES>,
  ) {}

  /** @throws as SignIn.complete does, and {BadUserInput} unless exactly one code is given. */
  async complete(
    em: EntityManager,
    input: { challenge: string } & FactorArguments,
    source: RequestSource,
  ): Promise<TokenPair> {
    const offered = requireFactor('input', input);
    await this.rateLimiter.charge(['completeLogin.ip', source.networks]);
    return this.signIn.complete(em, input.challenge, offered, source);
  }
}
