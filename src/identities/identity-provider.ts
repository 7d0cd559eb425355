import type { EntityManager } from '@mikro-orm/postgresql';
import type { RequestSource } from '../platform/request/index.ts';

/** What names a person at a provider. Only the provider itself reads it. */
export type ProvidedIdentity = Readonly<Record<string, string>>;

/** A way of signing in that somebody else vouches for, as the rest of the gateway sees it. */
export interface IdentityProvider {
  /** Stored with every challenge: never renamed. */
  readonly name: string;
  /** Whether anybody can sign in by it here: identities outlast a setting that turns it off. */
  readonly isOn: boolean;
  /**
   * Binds the identity to the account, whose row the caller has locked.
   * @throws {Conflict} it is bound to another account.
   */
  link(tx: EntityManager, userId: string, identity: ProvidedIdentity, source: RequestSource): Promise<void>;
  /** Whether an identity signs in to the account. */
  isLinked(em: EntityManager, userId: string): Promise<boolean>;
  /** Takes the account's identities away. @returns how many there were. */
  removeFrom(tx: EntityManager, userId: string): Promise<number>;
}

/** That somebody has an identity of an account. */
export interface IdentityProof {
  /** Keeps the identity until the transaction ends. @returns false when it is no longer the account's. */
  holds(tx: EntityManager): Promise<boolean>;
}

/** Judges what somebody brings from a provider to prove themselves again. */
export interface IdentityProver {
  /**
   * @param assertion what the provider gave them; used up, whatever it proves
   * @returns null when it does not name the identity of this account.
   * @throws {InvalidCredentials} it is not good.
   * @throws {ServiceUnavailable} it cannot be judged now.
   */
  prove(
    em: EntityManager,
    userId: string,
    assertion: string,
    source: RequestSource,
  ): Promise<IdentityProof | null>;
}
