import { Migration } from '@mikro-orm/migrations';

/**
 * Google accounts that sign in, the one-time tokens of such a sign-in, and identities that wait to be linked. The
 * previous release does not know the new column, and never writes it.
 */
export class Google extends Migration {
  override up(): void {
    this.addSql(`
      create table google_identity (
        id uuid not null primary key,
        user_id uuid not null,
        issuer text not null,
        subject text not null,
        linked_at timestamptz not null default now(),
        constraint google_identity_user_id_unique unique (user_id),
        constraint google_identity_issuer_subject_unique unique (issuer, subject),
        constraint google_identity_user_id_foreign foreign key (user_id) references users (id) on delete cascade
      )`);
    this.addSql(`
      create table google_ticket (
        hash bytea not null primary key,
        purpose text not null,
        browser_hash bytea null,
        claims jsonb null,
        expires_at timestamptz not null,
        constraint google_ticket_purpose_check check (purpose in ('NONCE', 'STATE', 'RESULT'))
      )`);
    this.addSql('create index google_ticket_expires_at_index on google_ticket (expires_at)');
    this.addSql(`
      create table link_challenge (
        token_hash bytea not null primary key,
        user_id uuid not null,
        provider text not null,
        identity jsonb not null,
        expires_at timestamptz not null,
        constraint link_challenge_user_id_foreign foreign key (user_id) references users (id) on delete cascade
      )`);
    this.addSql('create index link_challenge_user_id_index on link_challenge (user_id)');
    this.addSql('create index link_challenge_expires_at_index on link_challenge (expires_at)');
    this.addSql('alter table sign_in_challenge add column link_challenge_hash bytea null');
  }

  override down(): void {
    this.addSql('alter table sign_in_challenge drop column link_challenge_hash');
    this.addSql('drop table link_challenge, google_ticket, google_identity');
  }
}
