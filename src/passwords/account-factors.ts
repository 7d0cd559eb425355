import type { EntityManager } from '@mikro-orm/postgresql';
import type { IdentityProvider } from '../identities/index.ts';
import { sql, statement } from '../platform/database/index.ts';
import type { FactorLookup, HeldFactors } from '../platform/request/index.ts';

/** Reads the factors by which the holder of an account can prove who they are. */
export class AccountFactors implements FactorLookup {
  constructor(private readonly providers: readonly IdentityProvider[]) {}

  async of(em: EntityManager, userId: string): Promise<HeldFactors> {
    const [row] = await statement(
      em,
      sql<{ password: boolean; second_factor: boolean }>`
        select second_factor_since is not null as second_factor,
               exists (select from password_credential where user_id = ${userId}) as password
        from users where id = ${userId}`,
    );
    const { password = false, second_factor: secondFactor = false } = row ?? {};
    return { password, secondFactor, identityProofs: await this.identityProofs(em, userId) };
  }

  private async identityProofs(em: EntityManager, userId: string): Promise<string[]> {
    const held: string[] = [];
    for (const { isOn, prover, identities } of this.providers) {
      if (isOn && prover && (await identities.isLinked(em, userId))) held.push(prover.argument);
    }
    return held;
  }
}
