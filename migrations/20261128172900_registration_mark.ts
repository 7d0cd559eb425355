import { Migration } from '@mikro-orm/migrations';

/** Which browser made a registration. Those that wait already have none: they are confirmed with their password. */
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
