import { Migration } from '@mikro-orm/migrations';
import { CannotStart } from '../src/platform/cannot-start.ts';

/**
 * `support` and `Support` could exist side by side, and a token cannot distinguish them. The constraint on the exact
 * name stays, since `create-superuser` of the previous release relies on it.
 */
export class RoleNamesWithoutCase extends Migration {
  override async up(): Promise<void> {
    const doubles = (await this.execute(
      `select string_agg(name, ', ' order by name) as names from role
       group by lower(name collate "C") having count(*) > 1 order by 1`,
    )) as unknown as { names: string }[];
    // Only people can tell which one a service means.
    if (doubles.length > 0) {
      throw new CannotStart(
        `Some roles have names that differ only in case: ${doubles.map(({ names }) => names).join('; ')}. ` +
          'Rename or delete all but one of each with the release that runs now (updateRole, deleteRole), then migrate again. ' +
          'Nothing was changed.',
      );
    }
    this.addSql('create unique index role_name_case_unique on role (lower(name collate "C"))');
  }

  override down(): void {
    this.addSql('drop index role_name_case_unique');
  }
}
