import { Migration } from '@mikro-orm/migrations';

/** The browser that made a registration. Pending registrations have none, and are confirmed with their password. */
export class RegistrationMark extends Migration {
  override up(): void {
    this.addSql(`
      create table registration_mark (
        registration_id uuid not null primary key,
        mark_hash bytea not null,
        client text null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null
      )`);
    this.addSql('create index registration_mark_expires_at_index on registration_mark (expires_at)');
  }

  override down(): void {
    this.addSql('drop table registration_mark');
  }
}
