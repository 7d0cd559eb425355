import type { EntityManager } from '@mikro-orm/postgresql';
import type { IdentityProvider } from './identity-provider.ts';
import type { LinkChallenges } from './link-challenges.ts';

/** What is bound to accounts by any provider. */
export class LinkedIdentities {
  constructor(
    private readonly providers: readonly IdentityProvider[],
    private readonly challenges: LinkChallenges,
  ) {}

  /** Whether another provider could still sign in to the account. */
  async hasOtherThan(em: EntityManager, userId: string, provider: IdentityProvider): Promise<boolean> {
    for (const other of this.providers) {
      if (other !== provider && (await other.isLinked(em, userId))) return true;
    }
    return false;
  }

  /**
   * Takes identities away that somebody else put there, and voids the links that wait.
   * @param since only those that were bound later, by the database's clock in its own words
   * @returns how many identities there were.
   */
  async removeAll(tx: EntityManager, userId: string, since?: string): Promise<number> {
    await this.challenges.voidAll(tx, userId);
    let removed = 0;
    for (const provider of this.providers) removed += await provider.removeFrom(tx, userId, since);
    return removed;
  }
}
