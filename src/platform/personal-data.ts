import type { EntityManager } from '@mikro-orm/postgresql';

/**
 * The data about people that one part of the gateway keeps. Each part that keeps such data must declare it. Otherwise
 * the data is missing from exportMyData and outlives deleteAccount.
 */
export interface PersonalData {
  /** Name of the section in the export. */
  readonly section: string;
  /** Returns plain JSON values without secrets: no hash, no token, no key. */
  collect(em: EntityManager, userId: string): Promise<unknown>;
  /** Removes the data that is not deleted together with the account's row by a foreign key. */
  erase?(tx: EntityManager, userId: string): Promise<void>;
}
