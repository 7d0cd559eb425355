import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, statement } from '../platform/database/index.ts';

/** What the holder of an account can prove themselves with. */
export class AccountFactors {
  async of(em: EntityManager, userId: string): Promise<{ password: boolean; secondFactor: boolean }> {
    const [row] = await statement(
      em,
      sql<{ password: boolean; second_factor: boolean }>`
        select second_factor_since is not null as second_factor,
               exists (select from password_credential where user_id = ${userId}) as password
        from users where id = ${userId}`,
    );
    return { password: row?.password ?? false, secondFactor: row?.second_factor ?? false };
  }
}
