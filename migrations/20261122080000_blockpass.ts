import { Migration } from '@mikro-orm/migrations';

/** Data that people submit through Blockpass, the tokens for that, and sign-ins by QR code. */
export class Blockpass extends Migration {
  override up(): void {
    this.addSql(`
      create table kyc_record (
        id uuid not null primary key,
        blockpass_id text not null,
        user_id uuid null,
        status text not null default 'WAITING',
        sealed_message bytea null,
        sealed_tokens bytea not null,
        sealed_root_hash bytea null,
        reviewer_id uuid null,
        approval_until timestamptz null,
        submissions int not null default 0,
        created_at timestamptz not null default now(),
        updated_at timestamptz null,
        constraint kyc_record_blockpass_id_unique unique (blockpass_id),
        constraint kyc_record_user_id_unique unique (user_id),
        constraint kyc_record_user_id_foreign
          foreign key (user_id) references users (id) on delete cascade,
        constraint kyc_record_status_check check (status in ('WAITING', 'IN_REVIEW', 'APPROVED'))
      )`);
    this.addSql('create index kyc_record_status_index on kyc_record (status, id)');

    this.addSql(`
      create table kyc_item (
        record_id uuid not null,
        kind text not null,
        slug text not null,
        status text not null,
        sealed_comment bytea null,
        sealed_content bytea not null,
        content_type text null,
        verified boolean null,
        updated_at timestamptz not null default now(),
        constraint kyc_item_pkey primary key (record_id, kind, slug),
        constraint kyc_item_record_id_foreign
          foreign key (record_id) references kyc_record (id) on delete cascade,
        constraint kyc_item_kind_check check (kind in ('IDENTITY', 'CERTIFICATE')),
        constraint kyc_item_status_check check (status in ('RECEIVED', 'MISSING', 'REJECTED', 'APPROVED'))
      )`);
    // Ciphertext does not compress, so trying would only cost time.
    this.addSql('alter table kyc_item alter column sealed_content set storage external');

    this.addSql(`
      create table upload_pass (
        hash bytea not null primary key,
        blockpass_id text not null,
        origin text not null,
        session_code text null,
        fields text[] not null,
        certificates text[] not null,
        sealed_tokens bytea not null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        constraint upload_pass_origin_check check (origin in ('LOGIN', 'REGISTER', 'RESUBMIT'))
      )`);
    this.addSql('create index upload_pass_expires_at_index on upload_pass (expires_at)');

    this.addSql(`
      create table blockpass_sign_in (
        id uuid not null primary key,
        secret_hash bytea not null,
        session_code text not null,
        state text not null default 'CREATED',
        record_id uuid null,
        user_id uuid null,
        consumed_at timestamptz null,
        created_at timestamptz not null default now(),
        expires_at timestamptz not null,
        constraint blockpass_sign_in_session_code_unique unique (session_code),
        constraint blockpass_sign_in_record_id_foreign
          foreign key (record_id) references kyc_record (id) on delete cascade,
        constraint blockpass_sign_in_user_id_foreign
          foreign key (user_id) references users (id) on delete cascade,
        constraint blockpass_sign_in_state_check
          check (state in ('CREATED', 'PROCESSING', 'SUCCESS', 'FAILED', 'EXPIRED'))
      )`);
    this.addSql('create index blockpass_sign_in_expires_at_index on blockpass_sign_in (expires_at)');
    this.addSql('create index blockpass_sign_in_record_id_index on blockpass_sign_in (record_id)');
    this.addSql('create index blockpass_sign_in_user_id_index on blockpass_sign_in (user_id)');
  }

  override down(): void {
    this.addSql('drop table blockpass_sign_in, upload_pass, kyc_item, kyc_record');
  }
}
