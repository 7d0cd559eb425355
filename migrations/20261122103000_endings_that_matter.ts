import { Migration } from '@mikro-orm/migrations';

/** A process that starts, or was away, reads what still matters: a few of the endings that are kept for months. */
export class EndingsThatMatter extends Migration {
  override up(): void {
    this.addSql('create index ending_matters_until_index on ending (matters_until)');
  }

  override down(): void {
    this.addSql('drop index ending_matters_until_index');
  }
}
