import { Migration } from '@mikro-orm/migrations';

/** Mails that wait to be sent, the tokens of their links, and registrations that wait for a confirmed address. */
export class MailAndOneTimeTokens extends Migration {
  override up(): void {
    this.addSql(`
      create table mail_job (
        id uuid not null primary key,
        kind text not null,
        sealed_facts bytea null,
        attempts int not null default 0,
        due_at timestamptz not null default now(),
        created_at timestamptz not null default now(),
        finished_at timestamptz null
      )`);
    this.addSql('create index mail_job_finished_at_due_at_index on mail_job (finished_at, due_at)');

    this.addSql(`
      create table dev_mail (
        id uuid not null primary key,
        sealed_mail bytea not null,
        created_at timestamptz not null default now()
      )`);
    this.addSql('create index dev_mail_created_at_index on dev_mail (created_at)');

    this.addSql(`
      create table one_time_token (
        id uuid not null primary key,
        purpose text not null,
        hash bytea not null,
        user_id uuid not null,
        address text not null,
        address_key text not null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        constraint one_time_token_hash_unique unique (hash),
        constraint one_time_token_purpose_check
          check (purpose in ('CONFIRM_EMAIL', 'RESET_PASSWORD', 'CHANGE_EMAIL', 'UNDO_EMAIL_CHANGE'))
      )`);
    this.addSql('create index one_time_token_user_id_index on one_time_token (user_id)');
    this.addSql('create index one_time_token_expires_at_index on one_time_token (expires_at)');
    this.addSql('create index one_time_token_address_key_index on one_time_token (address_key)');

    this.addSql(`
      create table pending_registration (
        id uuid not null primary key,
        username text not null,
        username_key text not null,
        email text not null,
        email_key text not null,
        display_name text null,
        hash text not null,
        pepper_id text null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        constraint pending_registration_username_key_unique unique (username_key)
      )`);
    this.addSql('create index pending_registration_email_key_index on pending_registration (email_key)');
    this.addSql('create index pending_registration_expires_at_index on pending_registration (expires_at)');
  }

  override down(): void {
    this.addSql('drop table pending_registration, one_time_token, dev_mail, mail_job');
  }
}
