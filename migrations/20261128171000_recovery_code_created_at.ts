import { Migration } from '@mikro-orm/migrations';

/** When recovery codes were made. Of those that are there it is unknown: null, which counts as long ago. */
export class RecoveryCodeCreatedAt extends Migration {
  override up(): void {
    this.addSql('alter table recovery_code add column created_at timestamptz null');
    // Not in one statement with the column: that would date the codes that are there to the migration.
    this.addSql('alter table recovery_code alter column created_at set default now()');
  }

  override down(): void {
    this.addSql('alter table recovery_code drop column created_at');
  }
}
