import { Migration } from '@mikro-orm/migrations';

/**
 * Lets the audit trail be read in an order in which no event can appear behind the reader, and stores the position of
 * that reader. Older events have no transaction number. They are not shipped and not in the index, so building it takes
 * one scan of the table.
 */
export class AuditStream extends Migration {
  override up(): void {
    this.addSql('alter table audit_event add column written_by xid8 null');
    this.addSql('alter table audit_event alter column written_by set default pg_current_xact_id()');
    this.addSql(
      'create index audit_event_written_by_index on audit_event (written_by, id) where written_by is not null',
    );
    this.addSql(`
      create table audit_stream (
        name text not null primary key,
        written_by xid8 not null,
        event_id uuid not null,
        last_at timestamptz not null default now(),
        since timestamptz null,
        leased_by uuid null,
        leased_until timestamptz not null default now()
      )`);
  }

  override down(): void {
    this.addSql('drop table audit_stream');
    this.addSql('alter table audit_event drop column written_by');
  }
}
