import { Migration } from '@mikro-orm/migrations';

/** Devices from which an account was signed in. */
export class KnownDevices extends Migration {
  override up(): void {
    this.addSql(`
      create table known_device (
        user_id uuid not null,
        mark_hash bytea not null,
        agent text not null,
        first_seen_at timestamptz not null default now(),
        last_seen_at timestamptz not null default now(),
        primary key (user_id, mark_hash),
        constraint known_device_user_id_foreign foreign key (user_id) references users (id) on delete cascade
      )`);
    this.addSql('create index known_device_last_seen_at_index on known_device (last_seen_at)');
  }

  override down(): void {
    this.addSql('drop table known_device');
  }
}
