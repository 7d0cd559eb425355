import { Migration } from '@mikro-orm/migrations';

/**
 * Pictures are stored as the gateway encoded them, but hashes of the Blockpass protocol cover the received bytes. So
 * the hash of those bytes is stored as well. The previous release ignores the column.
 */
export class KycReceivedHash extends Migration {
  override up(): void {
    this.addSql('alter table kyc_item add column sealed_received_hash bytea null');
  }

  override down(): void {
    this.addSql('alter table kyc_item drop column sealed_received_hash');
  }
}
