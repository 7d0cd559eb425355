import type { EntityManager } from '@mikro-orm/postgresql';

/**
 * What one part of the gateway keeps about a person. Whoever keeps something new about people brings one, or it is
 * missing from exportMyData and outlives deleteAccount.
 */
export interface PersonalData {
  /** Name of the section in the export. */
  readonly section: string;
  /** Plain JSON values, without secrets: no hash, no token, no key. */
  collect(em: EntityManager, userId: string): Promise<unknown>;
  /** Removes what does not go with the account's row by a foreign key. */
  erase?(tx: EntityManager, userId: string): Promise<void>;
}
