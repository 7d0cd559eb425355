import type { EntityManager } from '@mikro-orm/postgresql';

/**
 * What one part of the gateway keeps about a person, for exportMyData. Whoever keeps something new about people
 * brings a source of its own.
 */
export interface PersonalDataSource {
  /** Name of the section in the export. */
  readonly section: string;
  /** Plain JSON values, without secrets: no hash, no token, no key. */
  collect(em: EntityManager, userId: string): Promise<unknown>;
}
