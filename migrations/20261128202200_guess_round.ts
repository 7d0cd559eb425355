import { Migration } from '@mikro-orm/migrations';

/**
 * The round of an account's guesses, which unlockUser raises. A process of the release before ignores it: while both serve,
 * an account that was unlocked stays locked there until its buckets refill.
 */
export class GuessRound extends Migration {
  override up(): void {
    this.addSql('alter table users add column guess_round int not null default 0');
  }

  override down(): void {
    this.addSql('alter table users drop column guess_round');
  }
}
