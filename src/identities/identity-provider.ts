import type { EntityManager } from '@mikro-orm/postgresql';
import type { AssertedCredential } from '../platform/errors.ts';
import type { RequestSource } from '../platform/request/index.ts';

declare module '../platform/module-type.ts' {
  interface Contribution {
    /** Identity providers. Each contributes itself. */
    readonly identityProviders: IdentityProvider;
  }
}

/** Names a person at a provider. Only the provider itself reads it. */
export type ProvidedIdentity = Readonly<Record<string, string>>;

/** The names of an identity provider. */
export interface ProviderNames {
  /** In link challenges and audit events. Stored, so it is never renamed. */
  readonly name: string;
  /** The authentication method of its sign-ins, as `amr` has it (RFC 8176). Stored with sessions, so it is never renamed. */
  readonly method: string;
}

/** An identity provider, as the rest of the gateway sees it. */
export interface IdentityProvider extends ProviderNames {
  /** Whether sign-ins by this provider are enabled. Identities outlast a setting that disables it. */
  readonly isOn: boolean;
  readonly identities: ProvidedIdentities;
  /** Undefined for a provider that gives no proof which `reauthenticate` could check at once. */
  readonly prover?: IdentityProver;
}

/** The links between the identities of one provider and the accounts to which they sign in. */
export interface ProvidedIdentities {
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

/** How `reauthenticate` takes a proof from a provider. */
export interface ProofArgument {
  /** Name of the argument. */
  readonly argument: string;
  /** The name of its value in error messages. */
  readonly credential: AssertedCredential;
}

/** Judges the assertion of a provider by which a person proves again who they are. */
export interface IdentityProver extends ProofArgument {
  /**
   * @param assertion from the provider; it is used up, even when it proves nothing
   * @returns null when it does not name the identity of this account, or the provider is off.
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
