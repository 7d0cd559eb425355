import { Migration } from '@mikro-orm/migrations';

/** The time when a Blockpass identity got its account. For existing ones, the earliest possible time. */
export class BlockpassLinkedAt extends Migration {
  override up(): void {
    this.addSql('alter table kyc_record add column linked_at timestamptz null');
    this.addSql('update kyc_record set linked_at = created_at where user_id is not null');
  }

  override down(): void {
    this.addSql('alter table kyc_record drop column linked_at');
  }
}
