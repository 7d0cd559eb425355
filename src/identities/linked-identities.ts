import type { EntityManager } from '@mikro-orm/postgresql';
import type { IdentityProvider, ProviderNames } from './identity-provider.ts';
import type { LinkChallenges } from './link-challenges.ts';

/** The identities of accounts at all providers. */
export class LinkedIdentities {
  constructor(
    private readonly providers: readonly IdentityProvider[],
    private readonly challenges: LinkChallenges,
  ) {}

  /** Whether an identity of any provider signs in to the account. */
  async isAnyLinked(em: EntityManager, userId: string): Promise<boolean> {
    for (const { identities } of this.providers) if (await identities.isLinked(em, userId)) return true;
    return false;
  }

  /** Whether another provider can still sign in to the account. */
  async hasOtherThan(em: EntityManager, userId: string, provider: ProviderNames): Promise<boolean> {
    for (const other of this.providers) {
      const isAnother = other.name !== provider.name && other.isOn;
      if (isAnother && (await other.identities.isLinked(em, userId))) return true;
    }
    return false;
  }

  /**
   * Removes every identity, for an owner who recovers an account that another person controlled: it is not known which
   * identities that person added. Voids the waiting challenges.
   * @returns how many identities there were.
   */
  async removeAll(tx: EntityManager, userId: string): Promise<number> {
    await this.challenges.voidAll(tx, userId);
    let removed = 0;
    for (const { identities } of this.providers) removed += await identities.removeFrom(tx, userId);
    return removed;
  }
}
