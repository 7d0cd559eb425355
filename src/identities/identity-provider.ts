import type { EntityManager } from '@mikro-orm/postgresql';
import type { RequestSource } from '../platform/request/index.ts';

/** Names a person at a provider. Only the provider itself reads it. */
export type ProvidedIdentity = Readonly<Record<string, string>>;

/** An identity provider, as the rest of the gateway sees it. */
export interface IdentityProvider {
  /** Stored with every challenge, so it is never renamed. */
  readonly name: string;
  /** Whether sign-ins by this provider are enabled. Identities outlast a setting that disables it. */
  readonly isOn: boolean;
  /**
   * Binds the identity to the account, whose row the caller has locked.
   * @throws {Conflict} when it is bound to another account.
   */
  link(tx: EntityManager, userId: string, identity: ProvidedIdentity, source: RequestSource): Promise<void>;
  /** Whether an identity signs in to the account. */
  isLinked(em: EntityManager, userId: string): Promise<boolean>;
  /**
   * Removes the account's identities.
   * @returns how many there were.
   */
  removeFrom(tx: EntityManager, userId: string): Promise<number>;
}

/** A proof that a person has an identity of an account. */
export interface IdentityProof {
  /**
   * Locks the identity until the transaction ends.
   * @returns false when it no longer belongs to the account.
   */
  holds(tx: EntityManager): Promise<boolean>;
}

/** Checks an assertion of a provider at a re-authentication. */
export interface IdentityProver {
  /**
   * @param assertion from the provider; it is used up, even when it proves nothing
   * @returns null when it does not name the identity of this account.
   * @throws {InvalidCredentials} when it is not valid.
   * @throws {ServiceUnavailable} when it cannot be checked now.
   */
  prove(
    em: EntityManager,
    userId: string,
    assertion: string,
    source: RequestSource,
  ): Promise<IdentityProof | null>;
}
