import type { EntityManager } from '@mikro-orm/postgresql';
import type { IdentityProvider } from './identity-provider.ts';
import type { LinkChallenges } from './link-challenges.ts';

/** What is bound to accounts by any provider. */
export class LinkedIdentities {
  constructor(
    private readonly providers: readonly IdentityProvider[],
    private readonly challenges: LinkChallenges,
  ) {}

  /** Whether an identity of any provider signs in to the account. */
  async isAnyLinked(em: EntityManager, userId: string): Promise<boolean> {
    for (const provider of this.providers) if (await provider.isLinked(em, userId)) return true;
    return false;
  }

  /** Whether another provider can still sign in to the account. */
  async hasOtherThan(em: EntityManager, userId: string, provider: IdentityProvider): Promise<boolean> {
    for (const other of this.providers) {
      if (other !== provider && other.isOn && (await other.isLinked(em, userId))) return true;
    }
    return false;
  }

  /**
   * Takes every identity away, for an owner who gets back an account that was somebody else's: which of them that
   * somebody put there cannot be told. Voids the links that wait.
   * @returns how many identities there were.
   */
  async removeAll(tx: EntityManager, userId: string): Promise<number> {
    await this.challenges.voidAll(tx, userId);
    let removed = 0;
    for (const provider of this.providers) removed += await provider.removeFrom(tx, userId);
    return removed;
  }
}
