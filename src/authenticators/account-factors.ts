import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';
import type { FactorLookup, HeldFactors } from '../platform/request/index.ts';

/** Looks up the factors that an account has. */
export class AccountFactors implements FactorLookup {
  constructor(
    /** Null when sign-in by Google is off. */
    private readonly google: { isLinked(em: EntityManager, userId: string): Promise<boolean> } | null,
  ) {}

  async of(em: EntityManager, userId: string): Promise<HeldFactors> {
    const [row] = await statement(
      em,
      sql<{ password: boolean; second_factor: boolean }>`
        select second_factor_since is not null as second_factor,
               exists (select from password_credential where user_id = ${userId}) as password
        from users where id = ${userId}`,
    );
    const { password = false, second_factor: secondFactor = false } = row ?? {};
    const google = (await this.google?.isLinked(em, userId)) ?? false;
    return { password, google, secondFactor };
  }

  /** @returns the accounts among them that have a second factor. */
  async protectedAmong(em: EntityManager, userIds: readonly string[]): Promise<ReadonlyMap<string, true>> {
    const rows = await statement(
      em,
      sql<{ id: string }>`
        select id from users where id = any(${[...userIds]}::uuid[]) and second_factor_since is not null`,
    );
    return new Map(rows.map(({ id }) => [id, true]));
  }
}
