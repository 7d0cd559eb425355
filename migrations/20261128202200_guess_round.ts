import { Migration } from '@mikro-orm/migrations';

/**
 * The guess round of an account, which unlockUser raises. The previous release ignores it: while both releases serve,
 * an unlocked account stays locked there until its buckets refill.
 */
export class GuessRound extends Migration {
  override up(): void {
    this.addSql('alter table users add column guess_round int not null default 0');
  }

  override down(): void {
    this.addSql('alter table users drop column guess_round');
  }
}
