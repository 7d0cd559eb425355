import { Migration } from '@mikro-orm/migrations';

/**
 * Sign-ins by QR code of which Blockpass must still be told, and upload tokens whose upload was stored. The previous
 * release does not know them: it tells Blockpass at once or not at all, and refuses a repeated upload token.
 */
export class BlockpassCompletion extends Migration {
  override up(): void {
    this.addSql(`
      create table blockpass_completion (
        session_code text not null primary key,
        blockpass_id text not null,
        sealed_tokens bytea not null,
        attempts int not null default 1,
        due_at timestamptz not null,
        created_at timestamptz not null default now()
      )`);
    this.addSql('create index blockpass_completion_due_at_index on blockpass_completion (due_at)');
    this.addSql(`
      create table upload_receipt (
        hash bytea not null primary key,
        record_id uuid not null,
        expires_at timestamptz not null,
        constraint upload_receipt_record_id_foreign
          foreign key (record_id) references kyc_record (id) on delete cascade
      )`);
    this.addSql('create index upload_receipt_expires_at_index on upload_receipt (expires_at)');
    this.addSql('create index upload_receipt_record_id_index on upload_receipt (record_id)');
  }

  override down(): void {
    this.addSql('drop table blockpass_completion, upload_receipt');
  }
}
