import { Migration } from '@mikro-orm/migrations';

/**
 * Lets a process that starts, or was away, read only the revocations that still matter: few of those that are kept for
 * months.
 */
export class EndingsThatMatter extends Migration {
  override up(): void {
    this.addSql('create index ending_matters_until_index on ending (matters_until)');
  }

  override down(): void {
    this.addSql('drop index ending_matters_until_index');
  }
}
