import { Migration } from '@mikro-orm/migrations';

/** The time when recovery codes were made. Null for existing codes, which counts as long ago. */
export class RecoveryCodeCreatedAt extends Migration {
  override up(): void {
    this.addSql('alter table recovery_code add column created_at timestamptz null');
    // In a separate statement, or existing codes would get the time of the migration.
    this.addSql('alter table recovery_code alter column created_at set default now()');
  }

  override down(): void {
    this.addSql('alter table recovery_code drop column created_at');
  }
}
