import { Migration } from '@mikro-orm/migrations';

/**
 * The parts that housekeeping needs: indexes to find expired rows, and a function that deletes only old revocations.
 */
export class SessionLimits extends Migration {
  override up(): void {
    this.addSql('create index session_expires_at_index on session (expires_at)');
    this.addSql('create index ending_kept_until_index on ending (kept_until)');
    // The serving login has no right to delete revocations: a thief of that login could revive sessions.
    this.addSql(`
      create function delete_old_endings(most int) returns int
      language sql security definer set search_path = public, pg_temp
      as $$
        with old as (select id from ending where kept_until < now() order by kept_until limit most for update skip locked),
             gone as (delete from ending where id in (select id from old) returning id)
        select count(*)::int from gone
      $$`);
    this.addSql('revoke all on function delete_old_endings(int) from public');
  }

  override down(): void {
    this.addSql('drop function delete_old_endings(int)');
    this.addSql('drop index session_expires_at_index, ending_kept_until_index');
  }
}
