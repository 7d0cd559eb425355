import type { MikroORM } from '@mikro-orm/postgresql';
import type { Foundation } from '../foundation.ts';
import { SCHEMA, SERVING_RIGHTS } from '../modules.ts';
import { setAuditRetention } from '../platform/audit/index.ts';
import { createOrm, grantRights, Migrations, migrationRefusal } from '../platform/database/index.ts';

/**
 * Migrates as the owner of the tables.
 * @throws {CannotStart} when that login lacks a right, or when the tables are there and are not recorded.
 */
export async function withMigrations<T>(
  { ownerUrl, ownerSetting, servingUrl }: Foundation,
  work: (migrations: Migrations, orm: MikroORM) => Promise<T>,
  {
    auditRetentionDays,
    onSingleLogin = () => {},
  }: { auditRetentionDays?: number; onSingleLogin?: () => void } = {},
): Promise<T> {
  const orm = createOrm({ url: ownerUrl, schema: SCHEMA, poolSize: 2, timeouts: 'none' });
  try {
    const migrations = new Migrations(orm, ownerUrl, async () => {
      if (!(await grantRights(ownerUrl, servingUrl, SERVING_RIGHTS))) onSingleLogin();
      if (auditRetentionDays !== undefined) await setAuditRetention(orm.em.fork(), auditRetentionDays);
    });
    return await work(migrations, orm);
  } catch (error) {
    throw migrationRefusal(error, { ownerUrl, ownerSetting }) ?? error;
  } finally {
    await orm.close();
  }
}
