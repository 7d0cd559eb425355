import { Migration } from '@mikro-orm/migrations';

/**
 * Indexes for lists of users and of audit events, and the retention of audit events. The previous release goes on: it
 * reads neither.
 */
export class Administration extends Migration {
  override up(): void {
    // The C collation has the order that a prefix search needs (PostgreSQL, "Operator Classes").
    this.addSql('create index users_username_search_index on users (username_key collate "C")');
    this.addSql('create index users_email_search_index on users (email_key collate "C")');
    this.addSql(`
      create index users_other_email_search_index on users (email_key collate "C")
        where split_part(email_key, '@', 1) <> username_key`);
    this.addSql('create index users_deactivated_index on users (id) where deactivated_by is not null');

    this.addSql('create index role_grant_holders_index on role_grant (role_id, user_id)');
    this.addSql('drop index role_grant_role_id_index');

    this.addSql('create index audit_event_at_index on audit_event (at, id)');
    this.addSql('create index audit_event_action_index on audit_event (action, at, id)');
    this.addSql('drop index audit_event_subject_index, audit_event_actor_index');
    this.addSql('create index audit_event_subject_index on audit_event (subject_id, at, id)');
    this.addSql('create index audit_event_actor_index on audit_event (actor_id, at, id)');

    this.addSql('create table retention (table_name text not null primary key, days int not null)');
    this.addSql(`insert into retention (table_name, days) values ('audit_event', 365)`);
    // The serving login has no right to delete events, and cannot choose which ones are old.
    this.addSql(`
      create function delete_old_audit_events(most int) returns int
      language sql security definer set search_path = public, pg_temp
      as $$
        with old as (select id from audit_event
                     where at < now() - make_interval(days => (select greatest(days, 1) from retention where table_name = 'audit_event'))
                     order by at limit most for update skip locked),
             gone as (delete from audit_event where id in (select id from old) returning id)
        select count(*)::int from gone
      $$`);
    this.addSql('revoke all on function delete_old_audit_events(int) from public');
  }

  override down(): void {
    this.addSql('drop function delete_old_audit_events(int)');
    this.addSql('drop table retention');
    this.addSql(
      'drop index audit_event_subject_index, audit_event_actor_index, audit_event_at_index, audit_event_action_index',
    );
    this.addSql('create index audit_event_subject_index on audit_event (subject_id, id)');
    this.addSql('create index audit_event_actor_index on audit_event (actor_id, id)');
    this.addSql('create index role_grant_role_id_index on role_grant (role_id)');
    this.addSql(`
      drop index role_grant_holders_index, users_username_search_index, users_email_search_index,
                 users_other_email_search_index, users_deactivated_index`);
  }
}
