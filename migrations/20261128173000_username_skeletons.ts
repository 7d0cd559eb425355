import { Migration } from '@mikro-orm/migrations';

/**
 * The appearance of usernames, so that no username can be registered that is mistaken for another. The columns are
 * nullable: the previous release goes on serving, and the next start fills in its rows.
 */
export class UsernameSkeletons extends Migration {
  override up(): void {
    this.addSql('alter table users add column username_skeletons text[] null');
    this.addSql(
      'create index users_username_skeletons_index on users using gin (username_skeletons) with (fastupdate = off)',
    );
    this.addSql('create index users_without_skeletons_index on users (id) where username_skeletons is null');
    this.addSql('alter table pending_registration add column username_skeletons text[] null');
    this.addSql(
      'create index pending_registration_username_skeletons_index on pending_registration using gin (username_skeletons) with (fastupdate = off)',
    );
  }

  override down(): void {
    this.addSql('alter table users drop column username_skeletons');
    this.addSql('alter table pending_registration drop column username_skeletons');
  }
}
