import { Migration } from '@mikro-orm/migrations';

/**
 * The refresh contract, second version. The columns are nullable, so the previous release goes on serving. Null counts
 * as "nothing was noted".
 */
export class RefreshContract extends Migration {
  override up(): void {
    this.addSql(
      'alter table session add column refresh_notes jsonb null, add column seen_generation integer null',
    );
  }

  override down(): void {
    this.addSql('alter table session drop column refresh_notes, drop column seen_generation');
  }
}
